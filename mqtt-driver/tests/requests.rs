//! Subscribes and unsubscribes that cross each other, or the end of a connection.

mod world;

use std::time::Duration;

use mqtt_driver::{Client, Options, Version};
use world::{End, Network, World};

const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];
const SESSION_PRESENT: [u8; 5] = [0x20, 3, 1, 0, 0];

/// A client that waits for CONNACK, and the server's end.
fn connecting(world: &World, change: impl FnOnce(&mut Options)) -> (Client, Network, End) {
    let network = Network::default();
    let mut options = Options::new("broker");
    options.connect.client_id = "c".into();
    options.connect.clean_start = false;
    options.connect.session_expiry_interval = 3600;
    change(&mut options);
    let client = world.start(options, &network);
    let server = world.run(accept(world, &network));
    (client, network, server)
}

async fn accept(world: &World, network: &Network) -> End {
    let mut server = network.accept(world).await;
    server.packet().await;
    server
}

/// Reads a SUBSCRIBE or UNSUBSCRIBE of one filter, and grants it. Returns its first byte.
async fn grant(server: &mut End) -> u8 {
    let packet = server.packet().await;
    let answer = if packet[0] == 0x82 { 0x90 } else { 0xB0 };
    server.write(&[answer, 4, packet[2], packet[3], 0, 0]).await;
    packet[0]
}

/// The last word about a filter is the last one that the server hears, also where the end of a connection came between two of them.
#[test]
fn what_was_asked_first_is_asked_first_again() {
    let world = World::new();
    let (client, network, mut server) = connecting(&world, |options| options.connect.limits.requests_max = 1);
    world.run(async {
        server.write(&CONNACK).await;
        client.connected().await.unwrap();
        let unsubscribing = client.clone();
        world.spawn(async move { unsubscribing.unsubscribe("a").await.unwrap() });
        assert_eq!(server.packet().await[0], 0xA2);
        let subscribing = client.clone();
        world.spawn(async move { drop(subscribing.subscribe("a").await.unwrap()) });
        world.step().await;
        network.wire().cut();
        server = accept(&world, &network).await;
        server.write(&SESSION_PRESENT).await;
        assert_eq!((grant(&mut server).await, grant(&mut server).await), (0xA2, 0x82));
    });
}

/// A 3.1 server can't say that it has the session. What it was told may be gone, and what it was not told is still to be said.
#[test]
fn a_server_that_can_not_say_what_it_knows_is_told_all_of_it_again() {
    let world = World::new();
    let (client, network, mut server) = connecting(&world, |options| {
        options.connect.version = Version::V3_1;
        options.connect.session_expiry_interval = 0;
    });
    world.run(async {
        server.write(&[0x20, 2, 0, 0]).await;
        let subscribing = client.clone();
        world.spawn(async move {
            let _messages = subscribing.subscribe("one").await.unwrap();
            std::future::pending().await
        });
        let packet = server.packet().await;
        server.write(&[0x90, 3, packet[2], packet[3], 0]).await;
        let unsubscribing = client.clone();
        world.spawn(async move { unsubscribing.unsubscribe("two").await.unwrap() });
        assert_eq!(server.packet().await[0], 0xA2);
        network.wire().cut();
        server = accept(&world, &network).await;
        server.write(&[0x20, 2, 0, 0]).await;
        let asked = [server.packet().await, server.packet().await].map(|packet| (packet[0], packet[6..9].to_vec()));
        assert_eq!(asked, [(0x82, b"one".to_vec()), (0xA2, b"two".to_vec())]);
    });
}

#[test]
fn a_subscribe_that_is_taken_back_before_the_server_hears_of_it_is_over() {
    let world = World::new();
    let (client, _network, mut server) = connecting(&world, |_| {});
    let (done, ended) = std::sync::mpsc::channel();
    let subscribing = client.clone();
    world.spawn(async move {
        let mut messages = subscribing.subscribe("a").await.unwrap();
        done.send(messages.next().await).unwrap();
    });
    world.run_tasks();
    world.run(async {
        let unsubscribing = client.clone();
        world.spawn(async move { unsubscribing.unsubscribe("a").await.unwrap() });
        world.step().await;
        server.write(&CONNACK).await;
        client.connected().await.unwrap();
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(ended.try_recv(), Ok(None));
    });
}

#[test]
fn no_filter_is_the_callers_error() {
    let world = World::new();
    let (client, _network, mut server) = connecting(&world, |_| {});
    world.run(async {
        server.write(&CONNACK).await;
        let error = client.subscribe_to([]).await.unwrap_err();
        assert!(error.to_string().contains("no topic filter"), "{error}");
    });
}

/// The session outlives the connection here, so nothing but an UNSUBSCRIBE ends what was granted.
#[test]
fn if_one_filter_is_refused_none_is_kept() {
    let world = World::new();
    let (client, _network, mut server) = connecting(&world, |_| {});
    world.run(async {
        server.write(&CONNACK).await;
        client.connected().await.unwrap();
        let subscribing = client.clone();
        world.spawn(async move { assert!(subscribing.subscribe_to(["a", "b"]).await.is_err()) });
        let subscribe = server.packet().await;
        server.write(&[0x90, 5, subscribe[2], subscribe[3], 0, 0, 0x87]).await;
        let unsubscribe = server.packet().await;
        assert_eq!((unsubscribe[0], &unsubscribe[5..]), (0xA2, &[0, 1, b'a'][..]));
    });
}
