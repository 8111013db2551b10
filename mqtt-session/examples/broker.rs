//! A broker on sockets of the standard library that block: `cargo run -p mqtt-session --example broker -- 127.0.0.1:1883`, then `mosquitto_sub -t '#' -v`.
//!
//! One thread knows the rules; one more for each connection waits for bytes and passes them on.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant as Clock};

use mqtt_proto::TransmitBuf;
use mqtt_session::{Broker, BrokerOptions, ConnectionId, Instant, Transmit};

enum News {
    Opened(TcpStream),
    Read(ConnectionId, Vec<u8>),
    Closed(ConnectionId),
}

fn read(mut socket: TcpStream, id: ConnectionId, tell: &SyncSender<News>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = socket.read(&mut bytes)
        && tell.send(News::Read(id, bytes[..count].into())).is_ok()
    {}
    let _ = tell.send(News::Closed(id));
}

/// Sockets, and the bytes of each that are not a whole packet yet.
type Links = HashMap<ConnectionId, (TcpStream, Vec<u8>)>;

fn write(broker: &mut Broker, now: Instant, links: &mut Links) {
    let mut out = TransmitBuf::new();
    while let Some((id, transmit)) = broker.poll_transmit(now, &mut out) {
        let Some((socket, _)) = links.get_mut(&id) else { continue };
        if transmit == Transmit::Close || out.slices().any(|slice| socket.write_all(slice).is_err()) {
            // Its reader says the rest.
            let _ = socket.shutdown(Shutdown::Both);
        }
        out.clear();
    }
}

pub(crate) fn serve(listener: TcpListener) {
    let start = Clock::now();
    let now = || Instant::from_micros(start.elapsed().as_micros() as u64);
    let mut broker = Broker::new(BrokerOptions::default(), std::process::id().into());
    let mut links = Links::new();
    let (tell, news) = sync_channel(64);
    let opened = tell.clone();
    thread::spawn(move || listener.incoming().flatten().all(|socket| opened.send(News::Opened(socket)).is_ok()));
    loop {
        let wait = broker.poll_timeout().map_or(Duration::MAX, |due| due.since(now()));
        match news.recv_timeout(wait) {
            Ok(News::Opened(socket)) => {
                // Whoever does not read holds up the others, but not for long.
                let _ = socket.set_write_timeout(Some(Duration::from_secs(2)));
                if let (Ok(reader), Ok(id)) = (socket.try_clone(), broker.open(now())) {
                    let tell = tell.clone();
                    thread::spawn(move || read(reader, id, &tell));
                    links.insert(id, (socket, Vec::new()));
                }
            }
            Ok(News::Read(id, bytes)) => {
                links.get_mut(&id).into_iter().for_each(|(_, held)| held.extend(&bytes));
                // What is not taken because answers wait is offered again when they are written.
                while let Some((_, held)) = links.get_mut(&id) {
                    let mut input = &held[..];
                    broker.handle_input(now(), id, &mut input);
                    let left = input.len();
                    held.drain(..held.len() - left);
                    let is_done = left == 0 || broker.wants_input(id);
                    write(&mut broker, now(), &mut links);
                    if is_done {
                        break;
                    }
                }
            }
            Ok(News::Closed(id)) => {
                broker.handle_closed(now(), id);
                links.remove(&id);
            }
            Err(_) => {}
        }
        broker.handle_timeout(now());
        write(&mut broker, now(), &mut links);
    }
}

#[allow(dead_code, reason = "a test brings its own")]
fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1883".into());
    serve(TcpListener::bind(address)?);
    Ok(())
}
