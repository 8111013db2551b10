//! Each thing that was accepted comes to one end.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_session::{Agreed, Outcome, PublishId, Published, RequestId};

use super::{Check, Finding};
use crate::marks::{Mark, Marks};

#[derive(Debug, Default)]
pub(super) struct Settlements(Vec<Open>);

#[derive(Debug, Default)]
struct Open {
    /// With how many sessions had been lost before.
    publishes: BTreeMap<PublishId, u64>,
    requests: BTreeSet<RequestId>,
    losses: u64,
    /// The session ends with the present connection.
    is_brief: bool,
}

impl Settlements {
    pub(super) fn add_client(&mut self) {
        self.0.push(Open::default());
    }

    pub(super) fn accepted(&mut self, client: usize, published: Published) -> Finding {
        let open = &mut self.0[client];
        match published {
            Published::Sent => Ok(()),
            Published::Pending(id) if open.publishes.insert(id, open.losses).is_none() => Ok(()),
            Published::Pending(id) => Err((Check::Settlement, format!("client {client}: {id:?} given out twice"))),
        }
    }

    pub(super) fn settled(&mut self, client: usize, id: PublishId, outcome: Outcome, marks: &mut Marks) -> Finding {
        let open = &mut self.0[client];
        let Some(losses) = open.publishes.remove(&id) else {
            return Err((
                Check::Settlement,
                format!("client {client}: {id:?} settled twice, or never accepted: {outcome:?}"),
            ));
        };
        match outcome {
            Outcome::TooLarge => marks.hit(Mark::TooLarge),
            Outcome::Rejected(_) => marks.hit(Mark::QosNotSupported),
            Outcome::Expired | Outcome::WaitedTooLong => marks.hit(Mark::MessageExpired),
            Outcome::QueueFull => marks.hit(Mark::DroppedForAnother),
            Outcome::AttemptsExhausted => marks.hit(Mark::AttemptsExhausted),
            Outcome::NotSentAgain => marks.hit(Mark::NotSentAgain),
            outcome if outcome.is_indeterminate() => marks.hit(Mark::Unknown),
            _ => {}
        }
        if outcome == Outcome::SessionLost && losses == open.losses {
            return Err((
                Check::Settlement,
                format!("client {client}: {id:?} lost with a session that is still there"),
            ));
        }
        Ok(())
    }

    pub(super) fn requested(&mut self, client: usize, id: RequestId) -> Finding {
        if self.0[client].requests.insert(id) {
            return Ok(());
        }
        Err((Check::Settlement, format!("client {client}: {id:?} given out twice")))
    }

    pub(super) fn answered(&mut self, client: usize, id: RequestId) -> Finding {
        if self.0[client].requests.remove(&id) {
            return Ok(());
        }
        Err((Check::Settlement, format!("client {client}: {id:?} answered twice, or never asked")))
    }

    pub(super) fn connected(&mut self, client: usize, agreed: &Agreed) {
        let open = &mut self.0[client];
        open.losses += u64::from(!agreed.session_present);
        open.is_brief = agreed.session_expiry_interval == 0;
    }

    pub(super) fn disconnected(&mut self, client: usize) {
        let open = &mut self.0[client];
        open.losses += u64::from(std::mem::take(&mut open.is_brief));
    }

    pub(super) fn crashed(&mut self, client: usize) {
        self.0[client].requests.clear();
    }

    pub(super) fn unsettled(&self) -> Option<String> {
        self.0.iter().enumerate().find_map(|(client, open)| {
            let (publish, request) = (open.publishes.keys().next(), open.requests.first());
            let count = open.publishes.len() + open.requests.len();
            (count > 0).then(|| format!("client {client}: {count} not settled, among them {publish:?} {request:?}"))
        })
    }
}
