//! A broker, a client, and a few greetings between them. Needs nothing but this: `cargo run -p mqtt-smol --example hello-smol`.

use mqtt_smol::{Broker, BrokerOptions, QoS};

fn main() -> Result<(), mqtt_smol::Error> {
    smol::block_on(hello())
}

async fn hello() -> Result<(), mqtt_smol::Error> {
    // Port 0: whichever is free. To talk to a broker that runs already, leave this out and write its address below.
    let broker = Broker::bind("127.0.0.1:0", BrokerOptions::default()).await?;
    let address = broker.local_addr();
    println!("A broker listens on {address}. Clients meet there: whoever subscribes gets what others publish.");

    for version in ["5", "3.1.1"] {
        println!();
        greet(&format!("mqtt://{address}/?version={version}")).await?;
    }

    broker.shutdown().await;
    println!();
    println!("The broker has stopped. That is all.");
    Ok(())
}

async fn greet(url: &str) -> Result<(), mqtt_smol::Error> {
    let client = mqtt_smol::connect(url).await?;
    println!("Connected to {url}.");

    let mut greetings = client.subscribe("greetings/#").await?; // SUBACK has arrived
    println!("Subscribed to greetings/#: everything below greetings.");

    client.publish("greetings/world", "hello").await?; // settled as its QoS promises
    println!("Published at QoS 0: sent once, and nobody confirms it.");
    client.publish("greetings/moon", "hello up there").qos(QoS::AtLeastOnce).await?;
    println!("Published at QoS 1: the broker has confirmed that it has the message.");
    client.publish("greetings/mars", "anybody home?").qos(QoS::ExactlyOnce).await?;
    println!("Published at QoS 2: the broker has the message, and has it once.");

    for _ in 0..3 {
        if let Some(message) = greetings.next().await {
            let text = String::from_utf8_lossy(message.payload());
            println!("Arrived: {:?} on {} at {}.", text, message.topic(), message.qos());
        }
    }

    client.disconnect().await?;
    println!("Disconnected.");
    Ok(())
}
