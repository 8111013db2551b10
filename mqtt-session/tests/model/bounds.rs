//! How much is tried, where.

#![allow(dead_code, reason = "the test tries less than the example")]

use mqtt_proto::{QoS, Version};
use mqtt_session::Acknowledge;

use crate::disk::Control;
use crate::world::{Bounds, End};

use End::{Client, Server};

const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

impl Bounds {
    fn new(name: &'static str, plan: &[(End, QoS)], cuts: u8, crashes: u8) -> Self {
        Self {
            name,
            version: Version::V5,
            plan: plan.to_vec(),
            in_flight_max: 2,
            acknowledge: Acknowledge::AtOnce,
            lazy: false,
            output_bytes_max: 64 << 10,
            cuts,
            crashes,
            forgets: 0,
            control: None,
        }
    }

    fn taken_by_hand(self) -> Self {
        Self { acknowledge: Acknowledge::Manually, ..self }
    }

    /// Output waits in the machine, which has room for one message.
    fn lazy(self) -> Self {
        Self { lazy: true, output_bytes_max: 1, ..self }
    }

    fn three_at_once(self) -> Self {
        Self { in_flight_max: 3, ..self }
    }

    /// The server forgets the session, once.
    fn forgotten(self) -> Self {
        Self { forgets: 1, ..self }
    }

    fn before_5(self) -> Self {
        Self { version: Version::V3_1_1, ..self }
    }
}

/// What a compiler that does not optimise has the time for.
pub(crate) fn small() -> Vec<Bounds> {
    vec![
        Bounds::new("client, QoS 2", &[(Client, Q2); 3], 1, 1),
        Bounds::new("server, QoS 2", &[(Server, Q2); 3], 1, 1),
        Bounds::new("client, QoS 1 and 2, before 5.0", &[(Client, Q1), (Client, Q2), (Client, Q1)], 1, 1).before_5(),
        Bounds::new("server, QoS 2, taken by hand", &[(Server, Q2); 2], 1, 1).taken_by_hand(),
        Bounds::new("both, QoS 1 and 2", &[(Client, Q2), (Server, Q1)], 1, 1),
        Bounds::new("both, QoS 1 and 2, forgotten", &[(Client, Q2), (Server, Q2), (Client, Q1)], 1, 0).forgotten(),
    ]
}

/// What is broken, what the search says of it, and how many steps that takes at least.
pub(crate) const CONTROLS: [(Control, &str, usize); 10] = [
    (Control::AcceptedLate, "lost", 6),
    (Control::LaunchedLate, "sent again without DUP", 8),
    (Control::ReleasedLate, "arrives twice", 12),
    (Control::ReceivedLate, "arrives twice", 10),
    (Control::CompletedLate, "lost", 17),
    (Control::ServerForgetsReceived, "arrives twice", 10),
    (Control::ServerHidesThatItForgot, "arrives twice", 11),
    (Control::ServerKeepsUnheard, "arrives twice", 14),
    (Control::WireLoses, "lost", 4),
    (Control::WireRepeats, "arrives twice", 10),
];

pub(crate) fn with(control: Control) -> Bounds {
    let by = if control == Control::CompletedLate { Server } else { Client };
    let bounds = Bounds { control: Some(control), ..Bounds::new("a control", &[(by, Q2); 2], 1, 1) };
    match control {
        Control::ServerHidesThatItForgot => bounds.forgotten(),
        Control::ServerKeepsUnheard => Bounds { cuts: 2, ..bounds.forgotten() },
        _ => bounds,
    }
}

/// What the gate tries: under a minute.
pub(crate) fn medium() -> Vec<Bounds> {
    vec![
        Bounds::new("client, QoS 2", &[(Client, Q2); 3], 2, 2),
        Bounds::new("server, QoS 2", &[(Server, Q2); 3], 2, 2),
        Bounds::new("client, QoS 1", &[(Client, Q1); 3], 2, 2),
        Bounds::new("server, QoS 1", &[(Server, Q1); 3], 2, 2),
        Bounds::new("client, QoS 1 and 2, before 5.0", &[(Client, Q1), (Client, Q2), (Client, Q1)], 2, 2).before_5(),
        Bounds::new("server, QoS 1 and 2, before 5.0", &[(Server, Q1), (Server, Q2), (Server, Q1)], 2, 2).before_5(),
        Bounds::new("client, QoS 2, taken by hand", &[(Client, Q2); 3], 2, 2).taken_by_hand(),
        Bounds::new("server, QoS 2, taken by hand", &[(Server, Q2); 3], 2, 2).taken_by_hand(),
        Bounds::new("client, QoS 2, output waits", &[(Client, Q2); 3], 2, 2).lazy(),
        Bounds::new("server, QoS 2, output waits", &[(Server, Q2); 3], 2, 2).lazy(),
        Bounds::new("both, QoS 2", &[(Client, Q2), (Server, Q2), (Client, Q2)], 2, 2),
        Bounds::new("both, QoS 1 and 2", &[(Client, Q2), (Server, Q1), (Server, Q2)], 2, 2),
        Bounds::new("client, QoS 1 and 2, forgotten", &[(Client, Q2), (Client, Q1), (Client, Q2)], 2, 1).forgotten(),
        Bounds::new("server, QoS 1 and 2, forgotten", &[(Server, Q2), (Server, Q1), (Server, Q2)], 2, 1).forgotten(),
        Bounds::new("both, QoS 1 and 2, forgotten", &[(Client, Q1), (Server, Q2), (Client, Q2)], 1, 1)
            .forgotten()
            .taken_by_hand(),
        Bounds::new("both, QoS 2, forgotten, output waits", &[(Client, Q2), (Server, Q2)], 1, 1).forgotten().lazy(),
    ]
}

/// What somebody tries who has the time.
pub(crate) fn large() -> Vec<Bounds> {
    vec![
        Bounds::new("client, QoS 2", &[(Client, Q2); 5], 3, 3).three_at_once(),
        Bounds::new("server, QoS 2", &[(Server, Q2); 5], 3, 3).three_at_once(),
        Bounds::new("client, QoS 1 and 2", &[(Client, Q1), (Client, Q2), (Client, Q2), (Client, Q1)], 3, 3)
            .three_at_once()
            .taken_by_hand(),
        Bounds::new("both, QoS 2", &[(Client, Q2), (Server, Q2), (Client, Q2), (Server, Q2)], 2, 3).taken_by_hand(),
        Bounds::new("client, QoS 1 and 2, forgotten", &[(Client, Q2), (Client, Q1), (Client, Q2)], 3, 3).forgotten(),
        Bounds::new("server, QoS 1 and 2, forgotten", &[(Server, Q2), (Server, Q1), (Server, Q2)], 3, 3).forgotten(),
        Bounds::new("both, QoS 1 and 2, forgotten", &[(Client, Q2), (Server, Q2), (Client, Q1)], 3, 3).forgotten(),
    ]
}
