//! Counting the writes of a program from outside.

use std::fs;

use crate::Process;
use crate::mosquitto::{TempFile, program};

/// A program of ours whose writes are recorded.
#[derive(Debug)]
pub struct Strace {
    process: Process,
    log: TempFile,
}

/// One system call that writes to a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Write {
    /// Both ends of the connection.
    pub connection: String,
    /// The call, as strace prints it: what was written, as far as it fits, is in there.
    pub call: String,
}

impl Strace {
    /// Starts it.
    #[must_use]
    pub fn start(path: &str, arguments: &[&str]) -> Self {
        let log = TempFile::new("strace.log", "");
        let mut command = program("strace");
        command.args(["-f", "-q", "-yy", "-s", "200", "-e", "trace=write,writev,sendto,sendmsg", "-e", "signal=none"]);
        command.arg("-o").arg(log.path()).arg("--").arg(path).args(arguments);
        Self { process: Process::start(&mut command), log }
    }

    /// The program.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits for its end, which has to be a success.
    ///
    /// # Panics
    ///
    /// It can't be watched: this machine doesn't let one process trace another.
    #[must_use]
    pub fn finish(self) -> Vec<Write> {
        self.process.finish();
        let log = fs::read_to_string(self.log.path()).expect("strace has written its log");
        assert!(!log.is_empty(), "strace has recorded nothing: is tracing (ptrace) permitted on this machine?");
        log.lines().filter_map(Write::parse).collect()
    }
}

impl Write {
    /// `4711  sendto(9<TCP:[127.0.0.1:1883->127.0.0.1:4242]>, "...", 5, ...`. The second half of a call that was interrupted has no
    /// connection in it, and is no call of its own.
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("<TCP:[")?;
        let (connection, call) = rest.split_once("]>")?;
        Some(Self { connection: connection.into(), call: call.into() })
    }
}
