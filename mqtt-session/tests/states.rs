//! What either end does with each packet in each state: the table, cell by cell.
//!
//! A cell is what the machine says (an event, or the fault by name), then what it sends (`> `, with the reason code), then `!` if it closes.
//! `.` is nothing at all, and `-` is a packet that it leaves to the host, who has to offer it again.

mod support;

use mqtt_proto::{
    Ack, Auth, Codec, ConnAck, Connect, Delivery, Disconnect, Packet, PacketId, Property, Publish, QoS, ReasonCode,
    Role, SubAck, Subscribe, Subscription, TopicFilter, UnsubAck, Unsubscribe, Version,
};
use mqtt_session::{Accept, Authentication, Client, ConnectOptions, Event, Instant, Server, ServerOptions, Transmit};
use support::talk::{encoded, packets, properties, sent, text, words};
use support::topic;

const NOW: Instant = Instant::ZERO;
const NAMES: [&str; 15] = [
    "Connect",
    "ConnAck",
    "Publish",
    "PubAck",
    "PubRec",
    "PubRel",
    "PubComp",
    "Subscribe",
    "SubAck",
    "Unsubscribe",
    "UnsubAck",
    "PingReq",
    "PingResp",
    "Disconnect",
    "Auth",
];

/// Each packet as whoever may send it would, with an authentication method where there may be one. Publish is at QoS 1.
fn packet(name: &str, version: Version) -> Vec<u8> {
    let has_auth = version.has_auth();
    let method = properties(if has_auth { vec![Property::AuthenticationMethod(text("M"))] } else { vec![] });
    let id = PacketId::MIN;
    let ack = Ack::new(id);
    let filter = TopicFilter::new("a").unwrap();
    let subscriptions = [Subscription::new(filter, QoS::AtMostOnce)];
    let (filters, codes) = ([filter], [ReasonCode::Success]);
    let delivery = Delivery::AtLeastOnce { packet_id: id, dup: false };
    let (client, server) = (Codec::client(version), Codec::server(version));
    let (codec, packet) = match name {
        "Connect" => {
            (client, Packet::Connect(Connect { properties: method.as_properties(), ..Connect::new(text("c")) }))
        }
        "ConnAck" => {
            let connack = ConnAck { properties: method.as_properties(), ..ConnAck::new(ReasonCode::Success) };
            (server, Packet::ConnAck(connack))
        }
        "Publish" => (client, Packet::Publish(Publish { delivery, ..Publish::new(topic("a"), b"1") })),
        "PubAck" => (client, Packet::PubAck(ack)),
        "PubRec" => (client, Packet::PubRec(ack)),
        "PubRel" => (client, Packet::PubRel(ack)),
        "PubComp" => (client, Packet::PubComp(ack)),
        "Subscribe" => {
            let subscriptions = subscriptions[..].into();
            (client, Packet::Subscribe(Subscribe { packet_id: id, properties: Default::default(), subscriptions }))
        }
        "SubAck" => {
            let reason_codes = codes[..].into();
            (server, Packet::SubAck(SubAck { packet_id: id, properties: Default::default(), reason_codes }))
        }
        "Unsubscribe" => {
            let filters = filters[..].into();
            (client, Packet::Unsubscribe(Unsubscribe { packet_id: id, properties: Default::default(), filters }))
        }
        "UnsubAck" => {
            let reason_codes = if version.unsuback_carries_reasons() { &codes[..] } else { &[] }.into();
            (server, Packet::UnsubAck(UnsubAck { packet_id: id, properties: Default::default(), reason_codes }))
        }
        "PingReq" => (client, Packet::PingReq),
        "PingResp" => (server, Packet::PingResp),
        "Disconnect" => (client, Packet::Disconnect(Disconnect::new(ReasonCode::Success))),
        "Auth" if !has_auth => return vec![0xF0, 0x00],
        "Auth" => (client, Packet::Auth(Auth::new(ReasonCode::ContinueAuthentication, method.as_properties()))),
        name => panic!("{name}"),
    };
    encoded(codec, &packet)
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are few, and they live on the stack of a test")]
enum End {
    Client(Client),
    Server(Server),
}

impl End {
    fn handle_input<'b>(&mut self, input: &mut &'b [u8]) -> Option<Event<'b>> {
        match self {
            Self::Client(client) => client.handle_input(NOW, input),
            Self::Server(server) => server.handle_input(NOW, input),
        }
    }

    fn sent(&mut self) -> (Vec<u8>, bool) {
        match self {
            Self::Client(client) => sent(|out| client.poll_transmit(NOW, out)),
            Self::Server(server) => sent(|out| server.poll_transmit(NOW, out)),
        }
    }

    fn gets(mut self, bytes: &[u8]) -> Self {
        assert!(self.handle_input(&mut &bytes[..]).is_some());
        self.sent();
        self
    }

    /// One cell of the table.
    fn cell(&self, version: Version, bytes: &[u8]) -> String {
        let mut end = self.clone();
        let was_closed = end.sent().1;
        let mut input = bytes;
        let said = end.handle_input(&mut input).map(|event| words(&event));
        if !input.is_empty() {
            return "-".into();
        }
        let peer = match end {
            Self::Client(_) => Codec::server(version),
            Self::Server(_) => Codec::client(version),
        };
        let (bytes, closed) = end.sent();
        let mut words: Vec<String> = said.into_iter().collect();
        words.extend(packets(peer, &bytes, false).into_iter().map(|packet| format!("> {packet}")));
        words.extend((closed && !was_closed).then(|| "!".into()));
        if words.is_empty() { ".".into() } else { words.join(" ") }
    }
}

/// The end in each of its states; the two of authentication are 5.0's.
fn states(role: Role, version: Version) -> Vec<(&'static str, End)> {
    let auth = |codec, reason_code| {
        let method = properties([Property::AuthenticationMethod(text("M"))]);
        encoded(codec, &Packet::Auth(Auth::new(reason_code, method.as_properties())))
    };
    let go_on = |codec| auth(codec, ReasonCode::ContinueAuthentication);
    let has_auth = version.has_auth();
    let mut states = Vec::new();
    match role {
        Role::Client => {
            let mut options = ConnectOptions::new("c");
            options.version = version;
            options.authentication = has_auth.then(|| Authentication::new("M"));
            let mut client = Client::new(options);
            states.push(("before CONNECT", End::Client(client.clone())));
            client.connect(NOW).unwrap();
            while client.poll_transmit(NOW, &mut Default::default()) == Transmit::Ready {}
            let pending = End::Client(client);
            states.push(("CONNECT pending", pending.clone()));
            if has_auth {
                states.push(("authenticating", pending.clone().gets(&go_on(Codec::server(version)))));
            }
            let End::Client(mut client) = pending.gets(&packet("ConnAck", version)) else { panic!() };
            states.push(("connected", End::Client(client.clone())));
            if has_auth {
                let mut client = client.clone();
                client.reauthenticate(NOW, None, Default::default()).unwrap();
                states.push(("re-authenticating", End::Client(client)));
            }
            client.disconnect(NOW, ReasonCode::Success, Default::default()).unwrap();
            states.push(("disconnecting", End::Client(client)));
        }
        Role::Server => {
            let fresh = End::Server(Server::new(NOW, ServerOptions::default()));
            states.push(("before CONNECT", fresh.clone()));
            let pending = fresh.gets(&packet("Connect", version));
            states.push(("CONNECT pending", pending.clone()));
            let End::Server(mut server) = pending else { panic!() };
            if has_auth {
                let mut server = server.clone();
                server.authenticate(NOW, None, Default::default()).unwrap();
                states.push(("authenticating", End::Server(server)));
            }
            server.accept(NOW, &mut Default::default(), &Accept::new("c")).unwrap();
            states.push(("connected", End::Server(server.clone())));
            if has_auth {
                let begin = auth(Codec::client(version), ReasonCode::ReAuthenticate);
                let End::Server(mut server) = End::Server(server.clone()).gets(&begin) else { panic!() };
                server.authenticate(NOW, None, Default::default()).unwrap();
                states.push(("re-authenticating", End::Server(server)));
            }
            if version.server_may_disconnect() {
                server.disconnect(NOW, ReasonCode::ServerBusy, Default::default()).unwrap();
            } else {
                server.handle_input(NOW, &mut &packet("Connect", version)[..]);
            }
            states.push(("disconnecting", End::Server(server)));
        }
    }
    states
}

fn table(role: Role, version: Version) -> String {
    let states = states(role, version);
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(states.iter().map(|(name, _)| (*name).to_owned()));
    for name in NAMES {
        let bytes = packet(name, version);
        let mut row = vec![name.to_owned()];
        row.extend(states.iter().map(|(_, end)| end.cell(version, &bytes)));
        rows.push(row);
    }
    let widths: Vec<_> = (0..=states.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap()).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        cells.join(" | ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

fn check(role: Role, version: Version, expected: &str) {
    let found = table(role, version);
    assert!(found == expected.trim_start_matches('\n'), "{role:?} {version}:\n{found}");
}

/// v5\[MQTT-3.2.0-1\] v5\[MQTT-3.2.0-2\] v5\[MQTT-4.12.0-2\] v5\[MQTT-4.3.3-4\] v5\[MQTT-4.3.3-11\] v5\[MQTT-4.13.1-1\]
#[test]
fn a_client_of_5() {
    let expected = "
            | before CONNECT | CONNECT pending           | authenticating             | connected                                    | re-authenticating                            | disconnecting
Connect     | -              | violation BeforeConnAck ! | malformed WrongDirection ! | malformed WrongDirection > Disconnect 82 !   | malformed WrongDirection > Disconnect 82 !   | .
ConnAck     | -              | connected M               | violation EarlyConnAck !   | violation SecondConnAck > Disconnect 82 !    | violation SecondConnAck > Disconnect 82 !    | .
Publish     | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | received a > PubAck                          | received a > PubAck                          | .
PubAck      | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | .                                            | .                                            | .
PubRec      | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | > PubRel 92                                  | > PubRel 92                                  | .
PubRel      | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | > PubComp 92                                 | > PubComp 92                                 | .
PubComp     | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | .                                            | .                                            | .
Subscribe   | -              | violation BeforeConnAck ! | malformed WrongDirection ! | malformed WrongDirection > Disconnect 82 !   | malformed WrongDirection > Disconnect 82 !   | .
SubAck      | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | violation UnexpectedAnswer > Disconnect 82 ! | violation UnexpectedAnswer > Disconnect 82 ! | .
Unsubscribe | -              | violation BeforeConnAck ! | malformed WrongDirection ! | malformed WrongDirection > Disconnect 82 !   | malformed WrongDirection > Disconnect 82 !   | .
UnsubAck    | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | violation UnexpectedAnswer > Disconnect 82 ! | violation UnexpectedAnswer > Disconnect 82 ! | .
PingReq     | -              | violation BeforeConnAck ! | malformed WrongDirection ! | malformed WrongDirection > Disconnect 82 !   | malformed WrongDirection > Disconnect 82 !   | .
PingResp    | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | .                                            | .                                            | .
Disconnect  | -              | violation BeforeConnAck ! | violation BeforeConnAck !  | Peer(Success) !                              | Peer(Success) !                              | .
Auth        | -              | auth 18 M                 | violation UnexpectedAuth ! | violation UnexpectedAuth > Disconnect 82 !   | auth 18 M                                    | .
";
    check(Role::Client, Version::V5, expected);
}

/// v5\[MQTT-3.1.0-1\] v5\[MQTT-3.1.0-2\] v5\[MQTT-3.1.2-30\] v5\[MQTT-3.12.4-1\] v5\[MQTT-4.12.0-3\] v5\[MQTT-4.13.1-1\]
#[test]
fn a_server_of_5() {
    let expected = "
            | before CONNECT          | CONNECT pending | authenticating                                | connected                                  | re-authenticating                          | disconnecting
Connect     | connect requested M     | -               | violation DuringAuthentication > ConnAck 82 ! | violation SecondConnect > Disconnect 82 !  | violation SecondConnect > Disconnect 82 !  | .
ConnAck     | violation FirstPacket ! | -               | malformed WrongDirection > ConnAck 82 !       | malformed WrongDirection > Disconnect 82 ! | malformed WrongDirection > Disconnect 82 ! | .
Publish     | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | received a > PubAck                        | received a > PubAck                        | .
PubAck      | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | .                                          | .                                          | .
PubRec      | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | > PubRel 92                                | > PubRel 92                                | .
PubRel      | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | > PubComp 92                               | > PubComp 92                               | .
PubComp     | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | .                                          | .                                          | .
Subscribe   | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | subscribe requested                        | subscribe requested                        | .
SubAck      | violation FirstPacket ! | -               | malformed WrongDirection > ConnAck 82 !       | malformed WrongDirection > Disconnect 82 ! | malformed WrongDirection > Disconnect 82 ! | .
Unsubscribe | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | unsubscribe requested                      | unsubscribe requested                      | .
UnsubAck    | violation FirstPacket ! | -               | malformed WrongDirection > ConnAck 82 !       | malformed WrongDirection > Disconnect 82 ! | malformed WrongDirection > Disconnect 82 ! | .
PingReq     | violation FirstPacket ! | -               | violation DuringAuthentication > ConnAck 82 ! | > PingResp                                 | > PingResp                                 | .
PingResp    | violation FirstPacket ! | -               | malformed WrongDirection > ConnAck 82 !       | malformed WrongDirection > Disconnect 82 ! | malformed WrongDirection > Disconnect 82 ! | .
Disconnect  | violation FirstPacket ! | -               | Peer(Success) !                               | Peer(Success) !                            | Peer(Success) !                            | .
Auth        | violation FirstPacket ! | -               | auth 18 M                                     | violation UnexpectedAuth > Disconnect 82 ! | auth 18 M                                  | .
";
    check(Role::Server, Version::V5, expected);
}

/// v3\[MQTT-3.2.0-1\] v3\[MQTT-4.8.0-1\]
#[test]
fn a_client_before_5() {
    let expected = "
            | before CONNECT | CONNECT pending           | connected                      | disconnecting
Connect     | -              | violation BeforeConnAck ! | malformed WrongDirection !     | .
ConnAck     | -              | connected                 | violation SecondConnAck !      | .
Publish     | -              | violation BeforeConnAck ! | received a > PubAck            | .
PubAck      | -              | violation BeforeConnAck ! | .                              | .
PubRec      | -              | violation BeforeConnAck ! | > PubRel                       | .
PubRel      | -              | violation BeforeConnAck ! | > PubComp                      | .
PubComp     | -              | violation BeforeConnAck ! | .                              | .
Subscribe   | -              | violation BeforeConnAck ! | malformed WrongDirection !     | .
SubAck      | -              | violation BeforeConnAck ! | violation UnexpectedAnswer !   | .
Unsubscribe | -              | violation BeforeConnAck ! | malformed WrongDirection !     | .
UnsubAck    | -              | violation BeforeConnAck ! | violation UnexpectedAnswer !   | .
PingReq     | -              | violation BeforeConnAck ! | malformed WrongDirection !     | .
PingResp    | -              | violation BeforeConnAck ! | .                              | .
Disconnect  | -              | violation BeforeConnAck ! | malformed WrongDirection !     | .
Auth        | -              | violation BeforeConnAck ! | malformed ReservedPacketType ! | .
";
    check(Role::Client, Version::V3_1_1, expected);
}

/// v3\[MQTT-3.1.0-1\] v3\[MQTT-3.1.0-2\] v3\[MQTT-3.12.4-1\] v3\[MQTT-4.8.0-1\]
#[test]
fn a_server_before_5() {
    let expected = "
            | before CONNECT          | CONNECT pending | connected                      | disconnecting
Connect     | connect requested       | -               | violation SecondConnect !      | .
ConnAck     | violation FirstPacket ! | -               | malformed WrongDirection !     | .
Publish     | violation FirstPacket ! | -               | received a > PubAck            | .
PubAck      | violation FirstPacket ! | -               | .                              | .
PubRec      | violation FirstPacket ! | -               | > PubRel                       | .
PubRel      | violation FirstPacket ! | -               | > PubComp                      | .
PubComp     | violation FirstPacket ! | -               | .                              | .
Subscribe   | violation FirstPacket ! | -               | subscribe requested            | .
SubAck      | violation FirstPacket ! | -               | malformed WrongDirection !     | .
Unsubscribe | violation FirstPacket ! | -               | unsubscribe requested          | .
UnsubAck    | violation FirstPacket ! | -               | malformed WrongDirection !     | .
PingReq     | violation FirstPacket ! | -               | > PingResp                     | .
PingResp    | violation FirstPacket ! | -               | malformed WrongDirection !     | .
Disconnect  | violation FirstPacket ! | -               | Peer(Success) !                | .
Auth        | violation FirstPacket ! | -               | malformed ReservedPacketType ! | .
";
    check(Role::Server, Version::V3_1_1, expected);
}
