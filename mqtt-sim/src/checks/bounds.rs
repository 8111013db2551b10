//! Memory, work and time.

use mqtt_session::{Client, Instant};

use super::{Check, Finding};

/// After a turn of a client.
pub(super) fn client(
    now: Instant,
    index: usize,
    client: &Client,
    pending: usize,
    deadline: Option<Instant>,
) -> Finding {
    let limits = &client.options().limits;
    if pending > limits.queued_messages_max {
        let what = format!("client {index} holds {pending} messages; its limit is {}", limits.queued_messages_max);
        return Err((Check::Memory, what));
    }
    let bytes = client.session().pending_bytes();
    if pending > 1 && bytes > limits.queued_bytes_max {
        let what = format!("client {index} holds {bytes} bytes; its limit is {}", limits.queued_bytes_max);
        return Err((Check::Memory, what));
    }
    match deadline {
        Some(deadline) if deadline <= now => {
            Err((Check::Time, format!("client {index} was just told the time, and wants to be woken at {deadline:?}")))
        }
        _ => Ok(()),
    }
}

/// What one look at so many bytes led to.
pub(super) fn work(who: &str, bytes: usize, answers: usize) -> Finding {
    // No packet is smaller than two bytes; and what is said without input has its own reasons, but not many.
    let answers_max = bytes / 2 + 2_000;
    if answers > answers_max {
        return Err((Check::Work, format!("{who} made {answers} answers out of {bytes} bytes")));
    }
    Ok(())
}
