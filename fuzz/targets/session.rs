#![no_main]

#[path = "../../proofs/tests/counting/mod.rs"]
mod counting;
#[path = "../src/sessions/mod.rs"]
mod sessions;

use mqtt_session::{Instant, SessionState};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (_, bytes) = sessions::parts(data);
    let made = counting::allocations(|| drop(SessionState::import(Instant::ZERO, bytes)));
    let len = bytes.len();
    assert!(made.count <= 16 + len as u64 && made.largest <= 1_024 + 16 * len, "{made:?} for {len} bytes");
    sessions::session(data);
});
