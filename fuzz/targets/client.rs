#![no_main]

#[path = "../src/sessions/mod.rs"]
mod sessions;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sessions::client(data));
