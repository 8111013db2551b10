//! Starting the command, and waiting for what it says. Nothing here waits for time to pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Far more than anything takes; only for a test that would hang otherwise.
const GUARD: Duration = Duration::from_secs(60);

/// Both versions that people use, as flags.
pub(crate) const VERSIONS: [&str; 2] = ["5", "311"];

/// A broker of our own, gone at the end of the test.
pub(crate) struct Broker {
    process: Process,
    pub(crate) address: String,
}

impl Broker {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let mut words = vec!["broker"];
        if !flags.contains(&"--listen") {
            words.extend(["--listen", "127.0.0.1:0"]);
        }
        words.extend(flags);
        let mut process = Process::start(&words);
        let first = process.next_output();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("unexpected: {first:?}"));
        Self { address: address.into(), process }
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').expect("an address has a port").1
    }

    /// Words for a client of it: `sub` or `pub`, and flags.
    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&[words[0], "-h", "127.0.0.1", "-p", self.port()], &words[1..]].concat()
    }

    /// A client that goes on in the background.
    pub(crate) fn client(&self, words: &[&str]) -> Process {
        Process::start(&self.words(words))
    }

    /// `mqtt sub` in the background, subscribed.
    pub(crate) fn subscriber(&self, flags: &[&str]) -> Process {
        let process = self.client(&[&["sub", "-d"], flags].concat());
        process.wait_for("subscribed ");
        process
    }

    /// Runs a client to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Finished {
        self.client(words).finish()
    }

    /// `mqtt pub`, which has to succeed.
    pub(crate) fn publish(&self, flags: &[&str]) {
        self.run(&[&["pub"], flags].concat()).succeeds();
    }

    /// It dies without a word.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    pub(crate) fn finish(self) -> Finished {
        self.process.finish()
    }
}

/// The command, running. Killed if it is dropped.
pub(crate) struct Process {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    errors: Receiver<String>,
}

impl Process {
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::start_with_input(words, b"")
    }

    /// `input` is what it finds on its standard input.
    pub(crate) fn start_with_input(words: &[&str], input: &[u8]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mqtt"))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        let input = input.to_vec();
        std::thread::spawn(move || stdin.write_all(&input));
        let output = child.stdout.take().map(BufReader::new);
        let stderr = child.stderr.take().map(BufReader::new).expect("it is piped");
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, output, errors }
    }

    /// The next line of its standard output.
    pub(crate) fn next_output(&mut self) -> String {
        let mut line = String::new();
        self.output.as_mut().expect("it is open").read_line(&mut line).expect("a line of text");
        assert!(line.ends_with('\n'), "the output ended: {line:?}");
        line.trim_end_matches('\n').into()
    }

    /// Waits until a line on its standard error begins so.
    pub(crate) fn wait_for(&self, beginning: &str) -> String {
        let mut lines = Vec::new();
        loop {
            match self.errors.recv_timeout(GUARD) {
                Ok(line) if line.starts_with(beginning) => return line,
                Ok(line) => lines.push(line),
                Err(error) => panic!("waiting for {beginning:?}: {error}, after {lines:?}"),
            }
        }
    }

    /// Nobody reads its standard output any more.
    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(status.success(), "{kill}");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits until it has ended, and returns what it said.
    pub(crate) fn finish(mut self) -> Finished {
        let output = self.output.take().map(|mut output| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                output.read_to_end(&mut bytes).expect("a pipe can be read");
                bytes
            })
        });
        let mut errors = Vec::new();
        let until = Instant::now() + GUARD;
        loop {
            // The end of its standard error is the end of it.
            match self.errors.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => errors.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; its last words: {:?}", errors.last()),
            }
        }
        let status = self.child.wait().expect("it ends");
        let output = output.map_or_else(Vec::new, |reader| reader.join().expect("it was read"));
        Finished { status, output, errors: errors.join("\n") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Most have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) errors: String,
}

impl Finished {
    /// It ended well. Returns its output, if it is text.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> String {
        assert!(self.status.success(), "{self:?}");
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// It ended with this status, and without output. Returns what it said.
    #[track_caller]
    pub(crate) fn fails(&self, status: i32) -> &str {
        assert_eq!(self.status.code(), Some(status), "{self:?}");
        assert_eq!(self.output, b"", "{self:?}");
        &self.errors
    }
}

/// Runs the command to its end.
pub(crate) fn mqtt(words: &[&str]) -> Finished {
    Process::start(words).finish()
}
