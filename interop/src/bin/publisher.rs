//! Our client as a program, for strace to watch: `interop-publisher PORT VERSION COUNT THREADS` publishes that often at QoS 0 as fast as it can,
//! on the thread on which the client's loop runs, too, or, with more THREADS than one, beside it.

use std::env;

use mqtt_tokio::Error;
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<(), Error> {
    let arguments: Vec<_> = env::args().collect();
    let [_, port, version, count, threads] = &arguments[..] else { panic!("PORT VERSION COUNT THREADS") };
    let url = format!("mqtt://127.0.0.1:{port}/?version={version}");
    let runtime = runtime(threads.parse().expect("a number"));
    runtime.block_on(publish(url, count.parse().expect("a number")))
}

async fn publish(url: String, count: u32) -> Result<(), Error> {
    let client = mqtt_tokio::connect(&url).await?;
    for number in 0..count {
        client.publish("burst", number.to_string()).await?;
    }
    client.disconnect().await?;
    Ok(())
}

fn runtime(threads: usize) -> Runtime {
    match threads {
        1 => Builder::new_current_thread().enable_all().build().expect("a runtime"),
        more => Builder::new_multi_thread().worker_threads(more).enable_all().build().expect("a runtime"),
    }
}
