//! Messages that nobody takes, when their connection ends.

mod world;

use std::time::Duration;

use mqtt_driver::{Client, Messages, Options};
use world::{End, Network, Quality, World};

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// A client that has subscribed `a`, what it subscribed, and the server's end.
fn subscribed(world: &World, change: impl FnOnce(&mut Options)) -> (Client, Messages, Network, End) {
    let network = Network::default();
    network.lock().quality = Quality { bytes_max: 1 << 20, ..Quality::default() };
    let mut options = Options::new("broker");
    options.reconnect.delay_max = Duration::ZERO;
    change(&mut options);
    let client = world.start(options, &network);
    let (said, messages) = std::sync::mpsc::channel();
    let subscribing = client.clone();
    world.spawn(async move { said.send(subscribing.subscribe("a").await.unwrap()).unwrap() });
    let server = world.run(accept(world, &network));
    world.run_tasks();
    (client, messages.recv().unwrap(), network, server)
}

/// Lets a client in that subscribes.
async fn accept(world: &World, network: &Network) -> End {
    let mut server = network.accept(world).await;
    server.packet().await;
    server.write(&CONNACK).await;
    let subscribe = server.packet().await;
    server.write(&[0x90, 4, subscribe[2], subscribe[3], 0, 1]).await;
    world.step().await;
    server
}

#[test]
fn sessions_that_are_lost_one_after_another_do_not_pile_up_what_they_brought() {
    let world = World::new();
    let (client, mut messages, network, mut server) = subscribed(&world, |options| options.stream_messages_max = 150);
    world.run(async {
        for _ in 0..10 {
            for packet_id in 1..=100 {
                server.write(&[0x32, 6, 0, 1, b'a', 0, packet_id, 0]).await;
            }
            world.sleep(Duration::from_millis(1)).await;
            network.wire().cut();
            server = accept(&world, &network).await;
        }
        let mut count = 0;
        while messages.try_next().is_some() {
            count += 1;
        }
        assert_eq!((count, messages.dropped(), client.stats().dropped), (150, 850, 850));
    });
}

#[test]
fn a_pause_for_a_reader_ends_with_the_connection() {
    let world = World::new();
    let (client, messages, network, mut server) = subscribed(&world, |options| options.stream_messages_max = 1);
    world.run(async {
        server.write(&[0x30, 4, 0, 1, b'a', 0].repeat(2)).await;
        world.step().await;
        // Reading pauses, so only a write can notice.
        network.wire().cut();
        client.publish("b", "").await.unwrap();
        let before = world.now();
        accept(&world, &network).await;
        client.connected().await.unwrap();
        assert!(world.now().since(before) < Duration::from_millis(50), "{:?}", world.now().since(before));
    });
    drop(messages);
}
