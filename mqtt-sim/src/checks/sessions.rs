//! How long sessions last.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::Instant;

use super::packets::Accepted;
use super::{Check, Finding};
use crate::marks::{Mark, Marks};
use crate::wire::LinkId;

/// The sessions of the server, as they look from the wire: by client.
#[derive(Debug, Default)]
pub(super) struct Sessions(BTreeMap<String, Known>);

#[derive(Debug)]
struct Known {
    link: LinkId,
    expiry_interval: u32,
    /// When that connection ended.
    closed: Option<Instant>,
}

impl Sessions {
    /// The server has said yes.
    pub(super) fn accepted(&mut self, now: Instant, accepted: &Accepted, marks: &mut Marks) -> Finding {
        let Accepted { link, client_id, session_present, asks_clean, expiry_interval } = accepted;
        let known = Known { link: *link, expiry_interval: *expiry_interval, closed: None };
        let before = self.0.insert(client_id.clone(), known);
        if *session_present && (*asks_clean || before.is_none()) {
            return Err((Check::Sessions, format!("{client_id} got a session that it can't have had")));
        }
        let Some(before) = before.filter(|_| !session_present && !asks_clean) else { return Ok(()) };
        let is_over = match (before.expiry_interval, before.closed) {
            (0, _) => true,
            (u32::MAX, _) | (_, None) => false,
            (interval, Some(closed)) => now >= closed + Duration::from_secs(interval.into()),
        };
        if !is_over {
            let what = format!("the session of {client_id} was lost before {} s were over", before.expiry_interval);
            return Err((Check::Sessions, what));
        }
        marks.hit(Mark::Expired);
        Ok(())
    }

    /// The server's end of a connection is gone.
    pub(super) fn closed(&mut self, now: Instant, link: LinkId) {
        for known in self.0.values_mut().filter(|known| known.link == link) {
            known.closed.get_or_insert(now);
        }
    }
}
