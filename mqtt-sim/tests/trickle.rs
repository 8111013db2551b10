//! A wire that lets only a few bytes through each second.

use std::time::Duration;

use mqtt_proto::{QoS, Subscription, TopicFilter, TopicName};
use mqtt_session::{ConnectOptions, Event, Message};
use mqtt_sim::{App, End, Fault, Handle, Mark, World};

/// Says one thing, and hears it.
#[derive(Default)]
struct Echo {
    heard: u32,
}

impl App for Echo {
    fn on_event(&mut self, event: &Event<'_>, client: &mut Handle<'_>) {
        match event {
            Event::Connected(connack) if !connack.session_present => {
                let filter = TopicFilter::new("echo").unwrap();
                client.subscribe(&[Subscription::new(filter, QoS::ExactlyOnce)]).unwrap();
            }
            Event::Subscribed { .. } => client.wake_at(client.now() + Duration::from_secs(1)),
            Event::Received(_) => self.heard += 1,
            _ => {}
        }
    }

    fn on_wake(&mut self, client: &mut Handle<'_>) {
        let mut message = Message::new(TopicName::new("echo").unwrap(), &[b'.'; 400]);
        message.qos = QoS::ExactlyOnce;
        client.publish(&message).unwrap();
    }
}

/// A message of some 400 bytes is about to go out and to come back, and 20 bytes a second get to this end.
fn trickling(keep_alive: u16, to: End) -> (World, usize) {
    let mut options = ConnectOptions::new("echo");
    options.clean_start = false;
    options.session_expiry_interval = u32::MAX;
    options.keep_alive = keep_alive;
    let mut world = World::new(1);
    let client = world.add(options, Echo::default());
    world.run(Duration::from_secs(1));
    world.strike(&Fault::Trickle { client, to, bytes: 20, time: Duration::from_secs(60) });
    (world, client)
}

fn heard(world: &World, client: usize) -> u32 {
    world.app::<Echo>(client).unwrap().heard
}

#[test]
fn no_more_comes_through_than_so_many_bytes_a_second() {
    let (mut world, client) = trickling(0, End::Server);
    world.run(Duration::from_secs(20));
    assert_eq!(heard(&world, client), 0);
    // The message, and then PUBREL.
    world.run(Duration::from_secs(5));
    assert_eq!(heard(&world, client), 1);
    assert_eq!(world.rest(Duration::from_secs(30)), Ok(()));
    assert_eq!(world.marks().count(Mark::Reconnected), 0);
}

#[test]
fn a_server_does_not_wait_longer_than_the_keep_alive_for_a_packet_and_it_comes_once() {
    let (mut world, client) = trickling(2, End::Server);
    world.run(Duration::from_secs(20));
    assert!(world.marks().count(Mark::KeepAliveTimeout) > 0);
    assert!(world.marks().count(Mark::Resumed) > 0);
    assert_eq!(world.rest(Duration::from_secs(30)), Ok(()));
    assert_eq!(heard(&world, client), 1);
}

#[test]
fn a_client_waits_while_something_comes() {
    let (mut world, client) = trickling(2, End::Client);
    world.run(Duration::from_secs(40));
    assert_eq!(heard(&world, client), 1);
    assert_eq!(world.rest(Duration::from_secs(30)), Ok(()));
    assert_eq!(world.marks().count(Mark::KeepAliveTimeout), 0);
}

#[test]
fn it_ends_when_its_time_is_over_or_the_faults_are() {
    let (mut world, client) = trickling(0, End::Server);
    world.run(Duration::from_secs(3));
    assert_eq!(world.rest(Duration::from_secs(2)), Ok(()));
    assert_eq!(heard(&world, client), 1);
    let (mut world, client) = trickling(0, End::Server);
    world.strike(&Fault::Trickle { client, to: End::Server, bytes: 20, time: Duration::from_secs(3) });
    world.run(Duration::from_secs(5));
    assert_eq!(heard(&world, client), 1);
}
