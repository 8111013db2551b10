//! `mqtt broker`.

use std::io::{self, Write};
use std::net::SocketAddr;

use mqtt_tokio::Broker;

use crate::args::BrokerArgs;
use crate::failure::Failure;
use crate::signal;

pub(crate) async fn run(args: &BrokerArgs) -> Result<(), Failure> {
    check_exposure(args.listen, args.allow_anonymous)?;
    // Before anybody can know that there is a broker to be ended.
    let told_to_end = signal::told_to_end()?;
    let broker = Broker::bind(&args.listen.to_string(), args.options()).await.map_err(Failure::new)?;
    announce(broker.local_addr());
    told_to_end.await;
    broker.shutdown().await;
    Ok(())
}

/// There are no passwords yet, so opening the door to a network has to be asked for.
fn check_exposure(address: SocketAddr, allow_anonymous: bool) -> Result<(), Failure> {
    if address.ip().is_loopback() || allow_anonymous {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "will not listen on {address}: whoever can reach it could connect, publish and subscribe without a password; \
         add --allow-anonymous if that is meant to be"
    )))
}

/// Scripts wait for this line, and read the port from it.
fn announce(address: SocketAddr) {
    let mut output = io::stdout().lock();
    // A broker whose output is closed is still a broker.
    let _ = writeln!(output, "listening on {address}").and_then(|()| output.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, allow_anonymous: bool) -> Result<(), Failure> {
        check_exposure(address.parse().expect(address), allow_anonymous)
    }

    #[test]
    fn this_machine_may_always_connect() {
        for address in ["127.0.0.1:0", "127.9.9.9:1883", "[::1]:1883"] {
            assert_eq!(check(address, false), Ok(()), "{address}");
        }
    }

    #[test]
    fn others_may_connect_if_that_was_asked_for() {
        for address in ["0.0.0.0:1883", "192.0.2.1:1883", "[::]:1883"] {
            assert!(check(address, false).is_err(), "{address}");
            assert_eq!(check(address, true), Ok(()), "{address}");
        }
    }
}
