//! The programs of others.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

use crate::Process;

/// The versions, as mosquitto's tools and our URLs call them.
pub const SPOKEN: [(&str, &str); 2] = [("311", "3.1.1"), ("5", "5")];

/// A mosquitto broker of our own, on a free port of the loopback interface.
#[derive(Debug)]
pub struct Mosquitto {
    _process: Process,
    port: u16,
    _config: TempFile,
}

impl Mosquitto {
    /// Starts one.
    ///
    /// # Panics
    ///
    /// It does not start.
    #[must_use]
    pub fn start() -> Self {
        // Between our asking for a free port and its binding it, somebody else may take it.
        (0..10).find_map(|_| Self::try_start(free_port().ok()?)).expect("mosquitto finds no free port")
    }

    fn try_start(port: u16) -> Option<Self> {
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest stderr\nlog_type all\n\
             max_queued_messages 0\nmax_packet_size 1048576\nset_tcp_nodelay true\n"
        );
        let config = TempFile::new("mosquitto.conf", &config);
        let mut process = Process::start(program("mosquitto").arg("-c").arg(config.path()));
        while let Some(line) = process.line() {
            if line.ends_with(" running") {
                return Some(Self { _process: process, port, _config: config });
            }
            if line.contains("Address already in use") {
                return None;
            }
        }
        process.finish();
        None
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

/// `mosquitto_sub`, with each line on its way as soon as it is printed.
#[must_use]
pub fn mosquitto_sub(port: u16, version: &str) -> Command {
    let mut command = program("stdbuf");
    command.args(["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port.to_string(), "-V", version]);
    command
}

/// `mosquitto_pub`.
#[must_use]
pub fn mosquitto_pub(port: u16, version: &str) -> Command {
    let mut command = program("mosquitto_pub");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-V", version]);
    command
}

/// A story of `paho/stories.py`, told by Paho for Python.
#[must_use]
pub fn paho(port: u16, version: &str, story: &str) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let inherited = env::var_os("PYTHONPATH").unwrap_or_default();
    let installed = [here.join("../target/python")].into_iter().chain(env::split_paths(&inherited));
    let mut command = program("python3");
    command.env("PYTHONPATH", env::join_paths(installed).expect("these are paths"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(here.join("paho/stories.py")).args([&port.to_string(), version, story]);
    command
}

/// Debian keeps daemons where only the administrator looks for them.
pub(crate) fn program(name: &str) -> Command {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    let mut command = Command::new(name);
    command.env("PATH", path);
    command
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A file that is gone when this is.
#[derive(Debug)]
pub(crate) struct TempFile(PathBuf);

impl TempFile {
    pub(crate) fn new(name: &str, content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("interop-{}-{}-{name}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(unique);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
