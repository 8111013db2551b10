//! Who takes part in a case, each with its work, which is checked before anything is measured.

use std::hint::black_box;

use mqtt_proto::Version;

use crate::cases::{Case, Work};
use crate::contestant::{Contestant, Kind, Output, Seen};
use crate::{floor, ours, peers};

/// A contestant with its work.
pub struct Lane {
    /// Who.
    pub name: &'static str,
    /// Whom it is compared with.
    pub kind: Kind,
    /// Packets in one pass.
    pub packets: u64,
    work: Box<dyn FnMut(u32)>,
}

impl Lane {
    /// Does the work so many times.
    pub fn run(&mut self, passes: u32) {
        (self.work)(passes);
    }
}

/// All contestants that take part in `case`.
pub fn lanes(case: &Case) -> Vec<Lane> {
    Entries::new(case, None).fill()
}

/// One of them, without a look at the others.
pub fn lane(case: &Case, name: &str) -> Option<Lane> {
    Entries::new(case, Some(name)).fill().pop()
}

struct Entries<'a> {
    case: &'a Case,
    only: Option<&'a str>,
    /// What the first one saw; all must see the same.
    expected: Option<Seen>,
    /// What the first one encoded.
    encoded: Option<Vec<u8>>,
    lanes: Vec<Lane>,
}

/// Packets of one pass of an encoder.
const ENCODED: u64 = 256;

impl<'a> Entries<'a> {
    fn new(case: &'a Case, only: Option<&'a str>) -> Self {
        Self { case, only, expected: None, encoded: None, lanes: Vec::new() }
    }

    fn fill(mut self) -> Vec<Lane> {
        let version = self.case.version;
        self.add(floor::View::new(version));
        self.add(floor::Owned::new(version));
        self.add(ours::View::new(version));
        self.add(ours::Copied::new(version));
        self.add(ours::Shared::new(version));
        if version == Version::V5 {
            self.add(peers::rumqttc::V5::default());
            self.add(peers::rumqttc_next::V5::default());
            self.add(peers::mqtt5_protocol::Any::v5());
            self.add(peers::rmqtt_codec::V5::default());
            self.add(peers::mqtt_proto_peer::V5::default());
            self.add(peers::mqtt_protocol_core::Any::v5());
            self.add(peers::flowsdk::Any::v5());
            self.add(peers::mqrstt::V5::default());
        } else {
            self.add(peers::mqttrs::V3::default());
            self.add(peers::rumqttc::V3::default());
            self.add(peers::rumqttc_next::V3::default());
            self.add(peers::mqtt5_protocol::Any::v3());
            self.add(peers::rmqtt_codec::V3::default());
            self.add(peers::mqtt_proto_peer::V3::default());
            self.add(peers::mqtt_protocol_core::Any::v3());
            self.add(peers::flowsdk::Any::v3());
        }
        self.lanes
    }

    fn add<C: Contestant>(&mut self, contestant: C) {
        if self.only.is_some_and(|name| name != C::NAME) {
            return;
        }
        let lane = match &self.case.work {
            Work::Decode { stream, read } => {
                let (stream, read) = (stream.clone(), *read);
                Some(self.decoder(contestant, move |take| stream.chunks(read).for_each(take)))
            }
            Work::Encode { wire } => self.encoder(contestant, wire),
            Work::Build { message } => {
                let message = message.clone();
                self.builder(contestant, move |contestant, out| contestant.publish(black_box(&message), out))
            }
        };
        self.lanes.extend(lane);
    }

    fn decoder<C: Contestant>(&mut self, mut contestant: C, reads: impl Fn(&mut dyn FnMut(&[u8])) + 'static) -> Lane {
        let mut pass = move || {
            let mut seen = Seen::default();
            reads(&mut |read| contestant.receive(read, &mut seen));
            seen
        };
        let expected = self.expect::<C>(pass());
        let work = move |passes| (0..passes).for_each(|_| assert_eq!(pass(), expected, "{} lost something", C::NAME));
        Lane { name: C::NAME, kind: C::KIND, packets: expected.packets(), work: Box::new(work) }
    }

    fn encoder<C: Contestant>(&mut self, mut contestant: C, wire: &'static [u8]) -> Option<Lane> {
        let packet = contestant.packet(wire)?;
        self.builder(contestant, move |contestant, out| {
            contestant.encode(black_box(&packet), out);
            true
        })
    }

    fn builder<C: Contestant>(
        &mut self,
        mut contestant: C,
        put: impl Fn(&mut C, &mut C::Output) -> bool + 'static,
    ) -> Option<Lane> {
        let mut out = C::Output::default();
        if !put(&mut contestant, &mut out) {
            return None;
        }
        // What came out has to be the packet that was asked for.
        let mut seen = Seen::default();
        let bytes = out.flat();
        ours::View::new(self.case.version).receive(&bytes, &mut seen);
        self.expect::<C>(seen);
        let bytes = comparable(bytes);
        let encoded = self.encoded.get_or_insert_with(|| bytes.clone());
        assert_eq!(&bytes, encoded, "{} encodes something else in {}", C::NAME, self.case.name);
        out.clear();
        let work = move |passes| {
            for _ in 0..u64::from(passes) * ENCODED {
                put(&mut contestant, &mut out);
                black_box(out.len());
                out.clear();
            }
        };
        Some(Lane { name: C::NAME, kind: C::KIND, packets: ENCODED, work: Box::new(work) })
    }

    fn expect<C: Contestant>(&mut self, seen: Seen) -> Seen {
        let expected = *self.expected.get_or_insert(seen);
        assert_eq!(seen, expected, "{} sees something else in {}", C::NAME, self.case.name);
        expected
    }
}

/// Properties may stand in any order, and an acknowledgement may spell out a reason and properties that are none.
fn comparable(mut packet: Vec<u8>) -> Vec<u8> {
    if packet[0] == PUBACK {
        let end = packet.iter().rposition(|&byte| byte != 0).expect("it has a packet identifier");
        return packet[2..=end].to_vec();
    }
    packet.sort_unstable();
    packet
}

const PUBACK: u8 = 0x40;
