//! The tests that all adapters pass.

use mqtt_tokio as mqtt;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

#[path = "../../mqtt-driver/tests/suite/mod.rs"]
mod suite;
