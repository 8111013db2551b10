//! A wire that can be cut.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Listens, and passes bytes on to another port and back.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    /// To this port of the loopback interface.
    ///
    /// # Panics
    ///
    /// There is no free port.
    #[must_use]
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    let mut open = all.lock().expect("nobody panics with it");
                    for (from, to) in [(&near, &far), (&far, &near)] {
                        open.extend(from.try_clone());
                        pass(from.try_clone(), to.try_clone());
                    }
                }
            }
        });
        Self { port, open }
    }

    /// Where it listens.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends all connections that there are. New ones work.
    ///
    /// # Panics
    ///
    /// There was none.
    pub fn cut(&self) {
        let open = std::mem::take(&mut *self.open.lock().expect("nobody panics with it"));
        assert!(!open.is_empty(), "there is nothing to cut");
        for stream in open {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pass(from: std::io::Result<TcpStream>, to: std::io::Result<TcpStream>) {
    let (Ok(mut from), Ok(mut to)) = (from, to) else { return };
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
