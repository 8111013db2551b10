//! Proof that `mqtt-proto` and `mqtt-session` need no standard library.
//!
//! This library brings its own panic handler and allocator. If anything below it used `std`, there would be two panic
//! handlers, and the compiler would refuse with E0152. Feature `leak` adds such a thing on purpose, so that the gate can
//! see that the alarm still rings.

#![no_std]

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    ptr,
};

#[cfg(feature = "leak")]
use leak as _;
use mqtt_session::{Client, Instant, Server};

/// Pulls in a codec and both ends of a connection, so that what is proven is code that does something.
#[unsafe(no_mangle)]
pub extern "C" fn turn(client: &mut Client, server: &mut Server) -> usize {
    let mut out = mqtt_proto::TransmitBuf::new();
    client.poll_transmit(Instant::ZERO, &mut out);
    for mut slice in out.slices() {
        while server.handle_input(Instant::ZERO, &mut slice).is_some() {}
    }
    out.len()
}

struct NoMemory;

// SAFETY: it never hands out memory, so there is nothing that it could get wrong.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
