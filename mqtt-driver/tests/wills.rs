//! What a broker's loop says in the name of clients that are gone.

mod world;

use mqtt_driver::{BrokerOptions, Options, QoS, WillOptions};
use world::World;

#[test]
fn a_will_goes_out_in_the_turn_in_which_its_connection_ends() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    let watcher = world.connect(Options::new("broker"), &network);
    let mut wills = world.run(watcher.subscribe("wills").into_future()).unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut options = Options::new("broker");
        let mut will = WillOptions::new("wills", "gone");
        will.qos = qos;
        options.connect.will = Some(will);
        let (mortal, driver) = mqtt_driver::client(options, network.clone(), world.clock(), 7);
        let task = world.spawn(driver.run());
        world.run(mortal.connected()).unwrap();
        // The wire ends; it is not cut, which would be an error of a read.
        let before = world.now();
        world.abort(task);
        let message = world.run(wills.next()).unwrap();
        assert_eq!((message.payload(), message.qos()), (&b"gone"[..], qos));
        assert_eq!(world.now(), before, "it waited for something else to happen");
    }
}
