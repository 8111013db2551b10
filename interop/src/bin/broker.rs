//! Our broker as a program, for strace to watch. It says which port it has, and ends when its standard input does.

use std::io::{self, Read};

use mqtt_tokio::{Broker, BrokerOptions, Error};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let broker = Broker::bind("127.0.0.1:0", BrokerOptions::default()).await?;
    println!("port {}", broker.local_addr().port());
    let _ = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await;
    broker.shutdown().await;
    Ok(())
}
