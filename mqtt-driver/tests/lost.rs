//! Watching a client's connection come and go.

mod world;

use mqtt_driver::{BrokerOptions, ConnectError, Options};
use world::World;

#[test]
fn a_client_tells_when_and_why_its_connection_is_lost() {
    let world = World::new();
    let (_broker, network) = world.broker(BrokerOptions::default());
    let client = world.connect(Options::new("broker"), &network);
    world.run(async {
        for _ in 0..3 {
            network.wire().cut();
            assert!(matches!(client.lost().await, ConnectError::Io(_)));
            client.connected().await.unwrap();
        }
        client.disconnect().await.unwrap();
        assert!(matches!(client.lost().await, ConnectError::Disconnected));
    });
}
