//! The tests that all adapters pass.

use mqtt_async_std as mqtt;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    async_std::task::block_on(future)
}

#[path = "../../mqtt-driver/tests/suite/mod.rs"]
mod suite;
