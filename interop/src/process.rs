//! A foreign program: what it says, line by line, and its end.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use crate::PATIENCE;

/// A running program. It is killed when this is dropped.
///
/// Whatever does not go as expected is a panic that shows all that the program has said.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    said: Vec<String>,
    begun: Instant,
}

impl Process {
    /// Starts it. Both of its outputs are read.
    ///
    /// # Panics
    ///
    /// It is not there.
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{name}: {error}; `.ci/run install` installs it"));
        let (sender, lines) = channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        let stdin = child.stdin.take();
        Self { name, child, stdin, lines, said: Vec::new(), begun: Instant::now() }
    }

    /// Writes all of it to its standard input, and ends that.
    pub fn feed(&mut self, input: &str) {
        if let Some(mut stdin) = self.stdin.take() {
            stdin.write_all(input.as_bytes()).unwrap_or_else(|error| self.fail(&format!("takes no input: {error}")));
        }
    }

    /// The next line that contains `what`.
    pub fn wait_for(&mut self, what: &str) -> String {
        loop {
            match self.line() {
                Some(line) if line.contains(what) => return line,
                Some(_) => {}
                None => self.fail(&format!("ended without saying `{what}`")),
            }
        }
    }

    /// The next line. `None`: it has closed its outputs.
    pub fn line(&mut self) -> Option<String> {
        let left = PATIENCE.saturating_sub(self.begun.elapsed());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.said.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail(&format!("has not come to an end in {PATIENCE:?}")),
        }
    }

    /// Waits for its end, which has to be a success. Returns the lines not yet taken.
    pub fn finish(mut self) -> Vec<String> {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        while let Some(line) = self.line() {
            rest.push(line);
        }
        let status = self.child.wait().unwrap_or_else(|error| self.fail(&error.to_string()));
        if !status.success() {
            self.fail(&status.to_string());
        }
        rest
    }

    /// Ends it so that it can't say goodbye.
    pub fn kill(self) {
        drop(self);
    }

    fn fail(&self, why: &str) -> ! {
        let mut story = format!("{}\n{why}", self.name);
        for line in &self.said {
            let _ = write!(story, "\n| {line}");
        }
        panic!("{story}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until the other end is closed.
fn forward(pipe: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    if let Some(pipe) = pipe {
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
    }
}
