//! The tests that all adapters pass.

use mqtt_smol as mqtt;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    smol::block_on(future)
}

#[path = "../../mqtt-driver/tests/suite/mod.rs"]
mod suite;
