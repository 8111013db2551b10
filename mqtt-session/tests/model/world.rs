//! One state of the model, and the steps that lead out of it.
//!
//! The machines are the real ones. What is modelled is everything around them: two applications, a wire in each direction, a disk at each end, and three
//! budgets for bad luck. Each application publishes its part of the [plan](Bounds::plan) and takes what arrives. Time stands still.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use mqtt_proto::{
    Codec, Delivery, Frame, Packet, Properties, QoS, ReasonCode, Subscription, TopicFilter, TopicName, TransmitBuf,
    Version,
};
use mqtt_session::{
    Accept, AckError, AckToken, Acknowledge, Client, ConnectOptions, Event, Instant, Limits, Message, Outcome,
    PublishId, Published, Server, ServerOptions, SessionState, Transmit,
};

use crate::disk::{Control, Disk};

const NOW: Instant = Instant::ZERO;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    Client,
    Server,
}

pub(crate) const ENDS: [End; 2] = [End::Client, End::Server];

impl End {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// How much happens.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) name: &'static str,
    pub(crate) version: Version,
    /// Who publishes, and how. A client may at any time, a server while it has a connection.
    pub(crate) plan: Vec<(End, QoS)>,
    /// Messages in flight, for each end: its own limit, and the other's Receive Maximum.
    pub(crate) in_flight_max: u16,
    pub(crate) acknowledge: Acknowledge,
    /// Output goes to the wire in a step of its own. Else it does at once, which saves many states and leaves out little: there is one line of bytes either way, in
    /// which nothing overtakes. With [`output_bytes_max`](Self::output_bytes_max) it matters.
    pub(crate) lazy: bool,
    pub(crate) output_bytes_max: usize,
    /// Connections that break.
    pub(crate) cuts: u8,
    /// Ends that stop, and begin again with what is on their disk.
    pub(crate) crashes: u8,
    /// Sessions that the server forgets, and says so when the client comes again.
    ///
    /// If that CONNACK is lost, a client would be told the next time that there is a session, and take the new one for its old one. So a server's host does not keep a new
    /// session in which nothing has come from the client, and has no messages for it before. A client, told that there is no session, subscribes.
    pub(crate) forgets: u8,
    /// What is broken on purpose.
    pub(crate) control: Option<Control>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The application publishes its next message.
    Publish(End),
    /// What the end has to send goes to the wire.
    Transmit(End),
    /// The first packet on the wire reaches this end.
    Deliver(End),
    /// The application takes one of the messages that it was handed.
    Take(End, u8),
    /// The client connects on a new transport.
    Connect,
    /// The connection breaks, with all that is on the wire. (What got there before the break has been delivered in other steps.)
    Cut,
    /// The end stops, with the connection, and begins again with what is on its disk.
    Crash(End),
    /// The server forgets the session, with all messages of its own.
    Forget,
    /// A control: the first packet on the wire to this end is lost, and nothing else. Counts as a cut.
    Lose(End),
    /// A control: a copy is made of the first packet on the wire to this end. Counts as a cut.
    Copy(End),
    /// A control: the copy gets there, too.
    Echo(End),
}

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

type Checked<T = ()> = Result<T, Failure>;

macro_rules! demand {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(Failure(format!($($what)+)));
        }
    };
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    client: Rc<Client>,
    /// The server's end of the connection, while there is one.
    server: Option<Rc<Server>>,
    /// The client's session, while no connection has it.
    kept: Option<Rc<SessionState>>,
    /// In the present session something has come from the client, behind its CONNECT.
    is_heard: bool,
    to_client: VecDeque<Rc<[u8]>>,
    to_server: VecDeque<Rc<[u8]>>,
    /// What has become of each message of the plan.
    stories: Vec<Story>,
    /// Handed to the application and not taken.
    handed: Vec<(End, u8, AckToken)>,
    /// What a crash finds, where that is not the present state: only with a control.
    stale: [Option<Disk>; 2],
    /// A copy that a wire has made: only with a control.
    copied: Option<(End, Rc<[u8]>)>,
    cuts_left: u8,
    crashes_left: u8,
    forgets_left: u8,
}

/// What the applications and the wire know of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Story {
    published: Option<PublishId>,
    settled: bool,
    /// The packet identifier under which it went out last, in the present session.
    packet_id: Option<u16>,
    /// It went out on the present connection.
    is_out: bool,
    received: bool,
    taken: bool,
    /// The server forgot the session while it was in flight.
    at_risk: bool,
    /// It went with the session: at QoS 2 it is not known whether it arrived; of one of the server's, nothing more is heard.
    lost: bool,
}

impl World {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            client: Rc::new(Client::new(client_options(bounds))),
            server: None,
            kept: None,
            is_heard: false,
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            stories: vec![Story::default(); bounds.plan.len()],
            handed: Vec::new(),
            stale: [None, None],
            copied: None,
            cuts_left: bounds.cuts,
            crashes_left: bounds.crashes,
            forgets_left: bounds.forgets,
        }
    }

    /// All states that follow, each with the step to it. One that would change nothing is none.
    pub(crate) fn successors(&self, bounds: &Bounds, mut each: impl FnMut(Step, Checked<Self>)) {
        let mut can = |step| {
            let mut next = self.clone();
            let taken = catch_unwind(AssertUnwindSafe(|| next.take(bounds, step)));
            match taken.unwrap_or_else(|_| Err(Failure("a machine panics".into()))) {
                Ok(true) => each(step, Ok(next)),
                Ok(false) => {}
                Err(failure) => each(step, Err(failure)),
            }
        };
        for end in ENDS {
            can(Step::Publish(end));
            if bounds.lazy {
                can(Step::Transmit(end));
            }
            if !self.wire(end).is_empty() {
                can(Step::Deliver(end));
            }
        }
        for index in 0..self.handed.len() {
            can(Step::Take(self.handed[index].0, index as u8));
        }
        match self.server {
            None => can(Step::Connect),
            Some(_) if self.cuts_left > 0 => can(Step::Cut),
            Some(_) => {}
        }
        if self.crashes_left > 0 {
            ENDS.into_iter().for_each(|end| can(Step::Crash(end)));
        }
        if self.forgets_left > 0 && self.kept.is_some() {
            can(Step::Forget);
        }
        if self.cuts_left > 0 && bounds.control == Some(Control::WireLoses) {
            ENDS.into_iter().filter(|&end| !self.wire(end).is_empty()).for_each(|end| can(Step::Lose(end)));
        }
        if self.cuts_left > 0 && bounds.control == Some(Control::WireRepeats) {
            ENDS.into_iter().filter(|&end| self.is_publish_next(end)).for_each(|end| can(Step::Copy(end)));
        }
        if let Some((end, _)) = self.copied {
            can(Step::Echo(end));
        }
    }

    /// False: nothing has changed.
    fn take(&mut self, bounds: &Bounds, step: Step) -> Checked<bool> {
        let before = bounds.control.map(|_| ENDS.map(|end| self.disk(end)));
        let happened = match step {
            Step::Publish(end) => self.publish(bounds, end)?,
            Step::Transmit(end) => self.transmit(bounds, end)?,
            Step::Deliver(end) => self.deliver(bounds, end).map(|()| true)?,
            Step::Take(_, index) => self.acknowledge(index).map(|()| true)?,
            Step::Connect => self.connect(bounds).map(|()| true)?,
            Step::Cut => {
                self.cuts_left -= 1;
                self.cut(bounds).map(|()| true)?
            }
            Step::Crash(end) => self.crash(bounds, end).map(|()| true)?,
            Step::Forget => {
                self.forgets_left -= 1;
                self.forget(bounds);
                true
            }
            Step::Lose(_) | Step::Copy(_) | Step::Echo(_) => {
                self.disturb(step);
                true
            }
        };
        if !bounds.lazy {
            match step {
                Step::Publish(end) | Step::Deliver(end) | Step::Take(end, _) => drop(self.transmit(bounds, end)?),
                Step::Connect => drop(self.transmit(bounds, End::Client)?),
                Step::Transmit(_) | Step::Cut | Step::Crash(_) | Step::Forget => {}
                Step::Lose(_) | Step::Copy(_) | Step::Echo(_) => {}
            }
        }
        // The disks get what has changed before anything else happens; unless a control keeps it from them.
        if let (Some(control), Some(before)) = (bounds.control, before) {
            for (end, before) in ENDS.into_iter().zip(before) {
                let (after, stale) = (self.disk(end), &mut self.stale[end as usize]);
                if step == Step::Crash(end) {
                    *stale = None;
                } else if after != before {
                    *stale = control.keeps_back(&before, &after).then(|| stale.take().unwrap_or(before));
                }
            }
        }
        Ok(happened)
    }

    /// Nothing but bad luck can happen any more: all must be done.
    pub(crate) fn check_end(&self, bounds: &Bounds) -> Checked {
        for (number, story) in self.stories.iter().enumerate() {
            demand!(story.taken || story.lost, "message {number} is lost");
            demand!(story.settled || story.lost, "message {number} is never settled");
        }
        demand!(self.client.is_connected(), "the client is not connected");
        for end in ENDS {
            let disk = self.disk(end);
            let pending = match end {
                End::Client => self.client.pending(),
                End::Server => self.server.as_ref().map_or(0, |server| server.pending()),
            };
            demand!(pending == 0, "the {end:?} still waits for something");
            demand!(disk.holds_nothing(), "the {end:?} still remembers packet identifiers");
        }
        demand!(self.handed.is_empty() && !bounds.plan.is_empty(), "something is left over");
        Ok(())
    }

    // --- steps -----------------------------------------------------------------------------------------------------------

    fn publish(&mut self, bounds: &Bounds, end: End) -> Checked<bool> {
        let is_next = |number: &usize| bounds.plan[*number].0 == end && self.stories[*number].published.is_none();
        let Some(number) = (0..bounds.plan.len()).find(is_next) else { return Ok(false) };
        if end == End::Server && bounds.forgets > 0 && !self.is_heard {
            return Ok(false);
        }
        let payload = [number as u8];
        let mut message = Message::new(TopicName::new("t").unwrap(), &payload[..]);
        message.qos = bounds.plan[number].1;
        let published = match end {
            End::Client => Rc::make_mut(&mut self.client).publish(NOW, &message),
            End::Server => match &mut self.server {
                Some(server) if server.is_connected() => Rc::make_mut(server).publish(NOW, &message),
                _ => return Ok(false),
            },
        };
        let Ok(Published::Pending(id)) = published else {
            return Err(Failure(format!("message {number} is not accepted: {published:?}")));
        };
        self.stories[number].published = Some(id);
        self.hear_all(bounds, end)?;
        Ok(true)
    }

    fn transmit(&mut self, bounds: &Bounds, end: End) -> Checked<bool> {
        let mut out = TransmitBuf::new();
        let found = match (end, &mut self.server) {
            (End::Client, _) => Rc::make_mut(&mut self.client).poll_transmit(NOW, &mut out),
            (End::Server, Some(server)) => Rc::make_mut(server).poll_transmit(NOW, &mut out),
            (End::Server, None) => return Ok(false),
        };
        demand!(found != Transmit::Close, "the {end:?} closes");
        let bytes: Vec<u8> = out.slices().flatten().copied().collect();
        let mut rest = &bytes[..];
        while let Some(frame) = Frame::split(&mut rest, u32::MAX).unwrap() {
            self.check_sent(bounds, end, frame.as_bytes())?;
            self.wire_mut(end.other()).push_back(frame.as_bytes().into());
        }
        demand!(rest.is_empty(), "the {end:?} has sent part of a packet");
        Ok(found == Transmit::Ready)
    }

    fn deliver(&mut self, bounds: &Bounds, end: End) -> Checked {
        let Some(packet) = self.wire_mut(end).pop_front() else { return Ok(()) };
        self.is_heard |= end == End::Server && self.server.as_ref().is_some_and(|server| server.is_connected());
        let mut input = &packet[..];
        while let Some(event) = match (end, &mut self.server) {
            (End::Client, _) => Rc::make_mut(&mut self.client).handle_input(NOW, &mut input),
            (End::Server, Some(server)) => Rc::make_mut(server).handle_input(NOW, &mut input),
            (End::Server, None) => None,
        } {
            self.hear(bounds, end, &event)?;
        }
        demand!(input.is_empty(), "the {end:?} has not read everything");
        self.hear_all(bounds, end)
    }

    fn acknowledge(&mut self, index: u8) -> Checked {
        let (end, number, token) = self.handed.remove(index.into());
        let taken = self.machine_acknowledges(end, token);
        demand!(taken == Ok(()), "message {number} can't be acknowledged: {taken:?}");
        self.stories[usize::from(number)].taken = true;
        Ok(())
    }

    fn machine_acknowledges(&mut self, end: End, token: AckToken) -> Result<(), AckError> {
        match (end, &mut self.server) {
            (End::Client, _) => {
                Rc::make_mut(&mut self.client).acknowledge(NOW, token, ReasonCode::Success, Properties::EMPTY)
            }
            (End::Server, Some(server)) => {
                Rc::make_mut(server).acknowledge(NOW, token, ReasonCode::Success, Properties::EMPTY)
            }
            (End::Server, None) => Err(AckError::Stale),
        }
    }

    fn connect(&mut self, bounds: &Bounds) -> Checked {
        let begun = Rc::make_mut(&mut self.client).connect(NOW);
        demand!(begun == Ok(()), "the client can't connect: {begun:?}");
        self.server = Some(Rc::new(Server::new(NOW, server_options(bounds))));
        Ok(())
    }

    fn cut(&mut self, bounds: &Bounds) -> Checked {
        let Some(mut server) = self.server.take() else { return Ok(()) };
        Rc::make_mut(&mut self.client).handle_closed(NOW);
        let had_session = server.is_connected();
        let end = Rc::make_mut(&mut server);
        end.handle_closed(NOW);
        let is_kept = bounds.forgets == 0 || self.is_heard || bounds.control == Some(Control::ServerKeepsUnheard);
        if had_session && is_kept {
            let session = end.take_session();
            self.kept = Some(Rc::new(if bounds.control == Some(Control::ServerForgetsReceived) {
                Disk::of(&session).without_received().session()
            } else {
                session
            }));
        } else if had_session {
            self.forget(bounds);
        }
        self.server = Some(server);
        ENDS.into_iter().try_for_each(|end| self.hear_all(bounds, end))?;
        // What was handed out will come again, and a late acknowledgement is nothing to the next connection.
        for (end, number, token) in std::mem::take(&mut self.handed) {
            let late = self.machine_acknowledges(end, token);
            demand!(late == Err(AckError::Stale), "message {number} is acknowledged after the connection: {late:?}");
        }
        self.server = None;
        self.copied = None;
        self.to_client.clear();
        self.to_server.clear();
        self.stories.iter_mut().for_each(|story| story.is_out = false);
        Ok(())
    }

    /// The machine is dropped as it is, and nobody tells it. The other end sees the connection break.
    fn crash(&mut self, bounds: &Bounds, end: End) -> Checked {
        self.crashes_left -= 1;
        let found = self.stale[end as usize].take().unwrap_or_else(|| self.disk(end));
        self.cut(bounds)?;
        match end {
            End::Client => self.client = Rc::new(Client::with_session(client_options(bounds), found.session())),
            End::Server => self.kept = self.kept.is_some().then(|| Rc::new(found.session())),
        }
        Ok(())
    }

    fn forget(&mut self, bounds: &Bounds) {
        self.kept = None;
        for (story, (by, _)) in self.stories.iter_mut().zip(&bounds.plan).filter(|(story, _)| story.published.is_some())
        {
            match by {
                // What has left the queue may still wait in the output.
                End::Client if !story.settled => story.at_risk |= story.packet_id.take().is_some() || bounds.lazy,
                End::Client => {}
                // The next session begins anew with the names of publishes, too.
                End::Server => story.lost = true,
            }
        }
    }

    fn disturb(&mut self, step: Step) {
        match step {
            Step::Lose(end) => {
                self.cuts_left -= 1;
                self.wire_mut(end).pop_front();
            }
            Step::Copy(end) => {
                self.cuts_left -= 1;
                self.copied = self.wire(end).front().cloned().map(|packet| (end, packet));
            }
            _ => {
                if let Some((end, packet)) = self.copied.take() {
                    self.wire_mut(end).push_front(packet);
                }
            }
        }
    }

    // --- what is seen on the way -----------------------------------------------------------------------------------------

    /// What leaves an end, as a wire tap sees it.
    fn check_sent(&mut self, bounds: &Bounds, end: End, mut bytes: &[u8]) -> Checked {
        let decoded = match end {
            End::Client => Codec::server(bounds.version),
            End::Server => Codec::client(bounds.version),
        }
        .decode(&mut bytes);
        demand!(matches!(decoded, Ok(Some(_))), "the {end:?} sends what its peer can't decode: {decoded:?}");
        let Ok(Some(Packet::Publish(publish))) = decoded else { return Ok(()) };
        let (Delivery::AtLeastOnce { packet_id, dup } | Delivery::ExactlyOnce { packet_id, dup }) = publish.delivery
        else {
            return Err(Failure(format!("the {end:?} changes the QoS")));
        };
        let number = usize::from(publish.payload[0]);
        let packet_id = packet_id.get();
        for (other, story) in self.stories.iter().enumerate() {
            let is_same = bounds.plan[other].0 == end && story.packet_id == Some(packet_id);
            demand!(
                !is_same || other == number || story.settled || story.lost,
                "packet identifier {packet_id} of message {other} is used again for message {number}"
            );
        }
        let story = &mut self.stories[number];
        demand!(!story.settled && !story.lost, "message {number} is sent after it was settled");
        demand!(!story.is_out, "message {number} is sent twice on one connection");
        let was_sent = story.packet_id.replace(packet_id);
        demand!(
            was_sent.is_none_or(|before| before == packet_id),
            "message {number} is sent again under another packet identifier"
        );
        demand!(was_sent.is_none() || dup, "message {number} is sent again without DUP");
        story.is_out = true;
        let out = self.stories.iter().zip(&bounds.plan).filter(|(story, (by, _))| story.is_out && *by == end);
        demand!(out.count() <= bounds.in_flight_max.into(), "the {end:?} sends more than its peer takes");
        Ok(())
    }

    fn hear_all(&mut self, bounds: &Bounds, end: End) -> Checked {
        while let Some(event) = match (end, &mut self.server) {
            (End::Client, _) => Rc::make_mut(&mut self.client).poll_event(),
            (End::Server, Some(server)) => Rc::make_mut(server).poll_event(),
            (End::Server, None) => None,
        } {
            self.hear(bounds, end, &event)?;
        }
        Ok(())
    }

    fn hear(&mut self, bounds: &Bounds, end: End, event: &Event<'_>) -> Checked {
        match event {
            Event::ConnectRequested(_) => {
                let mut answer = Accept::new("c");
                let kept = self.kept.take();
                self.is_heard &= kept.is_some();
                let has_forgotten = self.forgets_left < bounds.forgets;
                let hides_that = bounds.control == Some(Control::ServerHidesThatItForgot);
                answer.session_present = kept.is_some() || (has_forgotten && hides_that);
                let Some(server) = &mut self.server else { return Ok(()) };
                let mut session = kept.map_or_else(SessionState::default, |kept| SessionState::clone(&kept));
                let accepted = Rc::make_mut(server).accept(NOW, &mut session, &answer);
                demand!(accepted == Ok(()), "the client can't be accepted: {accepted:?}");
            }
            Event::Connected(connack) => {
                if bounds.forgets > 0 && !connack.session_present {
                    let all = [Subscription::new(TopicFilter::new("t").unwrap(), QoS::ExactlyOnce)];
                    let asked = Rc::make_mut(&mut self.client).subscribe(NOW, &all, Properties::EMPTY);
                    demand!(asked.is_ok(), "the client can't subscribe: {asked:?}");
                }
            }
            Event::SubscribeRequested(ask) => {
                let Some(server) = &mut self.server else { return Ok(()) };
                let codes = [ReasonCode::GrantedQos2];
                let answered = Rc::make_mut(server).suback(NOW, ask.packet_id, &codes, Properties::EMPTY);
                demand!(answered == Ok(()), "the client can't be subscribed: {answered:?}");
            }
            Event::Subscribed { .. } | Event::RequestLost { .. } => {}
            Event::Disconnected(disconnected) => {
                let cause = disconnected.cause;
                let is_expected = cause == mqtt_session::DisconnectCause::TransportClosed;
                demand!(is_expected, "the {end:?} ends the connection: {cause}");
            }
            Event::Received(message) => {
                let number = message.payload()[0];
                self.received(bounds, end, number)?;
                match message.token() {
                    Some(token) => self.handed.push((end, number, token)),
                    // The application keeps it, and its disk gets it together with the session.
                    None => self.stories[usize::from(number)].taken = true,
                }
            }
            Event::Published { id, outcome } => self.settled(bounds, end, *id, *outcome)?,
            other => return Err(Failure(format!("the {end:?} says {other:?}"))),
        }
        Ok(())
    }

    fn received(&mut self, bounds: &Bounds, end: End, number: u8) -> Checked {
        let at = usize::from(number);
        let (by, qos) = bounds.plan[at];
        demand!(by == end.other(), "message {number} comes back");
        demand!(qos == QoS::AtLeastOnce || !self.stories[at].taken, "message {number} arrives twice");
        let is_twice = self.handed.iter().any(|&(_, other, _)| other == number);
        demand!(!is_twice, "message {number} is handed out twice on one connection");
        self.stories[at].received = true;
        let mut earlier = self.stories.iter().zip(&bounds.plan).take(at).filter(|(_, (from, _))| *from == by);
        demand!(earlier.all(|(story, _)| story.received || story.lost), "message {number} overtakes another");
        Ok(())
    }

    fn settled(&mut self, bounds: &Bounds, end: End, id: PublishId, outcome: Outcome) -> Checked {
        let mut named = self.stories.iter_mut().zip(&bounds.plan).enumerate();
        let is_it = |story: &Story, by: End| by == end && story.published == Some(id) && !story.lost;
        let Some((number, (story, (_, qos)))) = named.find(|(_, (story, (by, _)))| is_it(story, *by)) else {
            return Err(Failure(format!("something is settled that was not published: {id:?}")));
        };
        demand!(!story.settled, "message {number} is settled twice");
        story.lost = outcome == Outcome::SessionLost && story.at_risk && *qos == QoS::ExactlyOnce;
        let is_delivered = outcome == Outcome::Delivered(ReasonCode::Success);
        demand!(is_delivered || story.lost, "message {number} is settled as {outcome:?}");
        demand!(story.taken || story.lost, "message {number} is lost: it is settled as delivered, and nobody took it");
        story.settled = true;
        story.is_out = false;
        Ok(())
    }

    fn is_publish_next(&self, end: End) -> bool {
        self.wire(end).front().is_some_and(|packet| packet[0] >> 4 == 3)
    }

    fn disk(&self, end: End) -> Disk {
        match (end, &self.server) {
            (End::Client, _) => Disk::of(self.client.session()),
            (End::Server, Some(server)) if server.is_connected() => Disk::of(&Server::clone(server).take_session()),
            (End::Server, _) => self.kept.as_ref().map_or_else(Disk::default, |kept| Disk::of(kept)),
        }
    }

    fn wire(&self, to: End) -> &VecDeque<Rc<[u8]>> {
        match to {
            End::Client => &self.to_client,
            End::Server => &self.to_server,
        }
    }

    fn wire_mut(&mut self, to: End) -> &mut VecDeque<Rc<[u8]>> {
        match to {
            End::Client => &mut self.to_client,
            End::Server => &mut self.to_server,
        }
    }
}

fn limits(bounds: &Bounds) -> Limits {
    let mut limits = Limits::default();
    limits.in_flight_max = bounds.in_flight_max;
    limits.in_flight_before_5_max = bounds.in_flight_max;
    limits.output_bytes_max = bounds.output_bytes_max;
    limits
}

fn client_options(bounds: &Bounds) -> ConnectOptions {
    let mut options = ConnectOptions::new("c");
    options.version = bounds.version;
    options.clean_start = false;
    options.session_expiry_interval = u32::MAX;
    options.keep_alive = 0;
    options.receive_maximum = bounds.in_flight_max;
    options.acknowledge = bounds.acknowledge;
    options.limits = limits(bounds);
    options
}

fn server_options(bounds: &Bounds) -> ServerOptions {
    let mut options = ServerOptions::default();
    options.receive_maximum = bounds.in_flight_max;
    options.acknowledge = bounds.acknowledge;
    options.limits = limits(bounds);
    options
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
