//! A client and a server without a host's manners: each test answers for both. What is said and sent is put in words.

use mqtt_proto::{
    Auth, Codec, Disconnect, Packet, Properties, PropertiesBuf, Property, ReasonCode, Text, TransmitBuf, Version,
};
use mqtt_session::{Client, ConnectOptions, Event, Instant, Server, ServerOptions, Transmit};

pub(crate) fn properties<'a>(all: impl IntoIterator<Item = Property<'a>>) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    all.into_iter().for_each(|property| properties.push(property).unwrap());
    properties
}

pub(crate) fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

pub(crate) fn encoded(codec: Codec, packet: &Packet<'_>) -> Vec<u8> {
    let mut out = TransmitBuf::new();
    codec.encode(packet, &mut out).unwrap();
    out.slices().flatten().copied().collect()
}

/// AUTH with a method and data.
pub(crate) fn auth(codec: Codec, reason_code: ReasonCode, method: &str, data: &str) -> Vec<u8> {
    let all = properties([Property::AuthenticationMethod(text(method)), Property::AuthenticationData(data.as_bytes())]);
    encoded(codec, &Packet::Auth(Auth::new(reason_code, all.as_properties())))
}

/// All that an end has to send, and ` closed` if it closes then.
pub(crate) fn sent(mut poll: impl FnMut(&mut TransmitBuf) -> Transmit) -> (Vec<u8>, bool) {
    let mut out = TransmitBuf::new();
    loop {
        match poll(&mut out) {
            Transmit::Ready => {}
            end => return (out.slices().flatten().copied().collect(), end == Transmit::Close),
        }
    }
}

pub(crate) struct Talk {
    pub(crate) now: Instant,
    pub(crate) client: Client,
    pub(crate) server: Server,
}

impl Talk {
    pub(crate) fn new(options: ConnectOptions, server_options: ServerOptions) -> Self {
        let mut client = Client::new(options);
        client.connect(Instant::ZERO).unwrap();
        Self { now: Instant::ZERO, client, server: Server::new(Instant::ZERO, server_options) }
    }

    /// What the client has to send arrives. What it was, and what the server says.
    pub(crate) fn client_speaks(&mut self) -> (Vec<String>, Vec<String>) {
        let (bytes, closed) = sent(|out| self.client.poll_transmit(self.now, out));
        let said = self.server_gets(&bytes);
        (packets(Codec::server(self.client.options().version), &bytes, closed), said)
    }

    pub(crate) fn server_speaks(&mut self) -> (Vec<String>, Vec<String>) {
        let (bytes, closed) = sent(|out| self.server.poll_transmit(self.now, out));
        let said = self.client_gets(&bytes);
        (packets(Codec::client(self.client.options().version), &bytes, closed), said)
    }

    /// What the client has to send is lost.
    pub(crate) fn client_loses_output(&mut self) {
        sent(|out| self.client.poll_transmit(self.now, out));
    }

    pub(crate) fn server_gets(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(event) = self.server.handle_input(self.now, &mut bytes) {
            said.push(words(&event));
        }
        while let Some(event) = self.server.poll_event() {
            said.push(words(&event));
        }
        said
    }

    pub(crate) fn client_gets(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(event) = self.client.handle_input(self.now, &mut bytes) {
            said.push(words(&event));
        }
        while let Some(event) = self.client.poll_event() {
            said.push(words(&event));
        }
        said
    }
}

/// Packets by name, reason code, method and data.
pub(crate) fn packets(codec: Codec, mut bytes: &[u8], closed: bool) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(packet) = codec.decode(&mut bytes).unwrap() {
        let name = format!("{:?}", packet.packet_type());
        all.push(match packet {
            Packet::ConnAck(connack) => name + &code(connack.reason_code) + &proof(&connack.properties),
            Packet::Connect(connect) => name + &proof(&connect.properties),
            Packet::Auth(Auth { reason_code, properties }) => name + &code(reason_code) + &proof(&properties),
            Packet::Disconnect(Disconnect { reason_code, .. }) if codec.version == Version::V5 => {
                name + &code(reason_code)
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack)
                if ack.reason_code != ReasonCode::Success =>
            {
                name + &code(ack.reason_code)
            }
            _ => name,
        });
    }
    all.extend(closed.then(|| "closed".into()));
    all
}

fn code(reason_code: ReasonCode) -> String {
    format!(" {:02X}", reason_code.as_u8())
}

fn proof(properties: &Properties<'_>) -> String {
    let method = properties.authentication_method().map(|method| format!(" {method}"));
    let data = properties.authentication_data().map(|data| format!(" {}", String::from_utf8_lossy(data)));
    method.into_iter().chain(data).collect()
}

/// An event by name, with what matters of it.
pub(crate) fn words(event: &Event<'_>) -> String {
    match event {
        Event::Connected(connack) => "connected".to_owned() + &proof(&connack.properties),
        Event::ConnectRequested(connect) => "connect requested".to_owned() + &proof(&connect.properties),
        Event::Auth(auth) => "auth".to_owned() + &code(auth.reason_code) + &proof(&auth.properties),
        Event::Received(message) => format!("received {}", message.topic()),
        Event::Published { outcome, .. } => format!("published {outcome:?}"),
        Event::SubscribeRequested(_) => "subscribe requested".into(),
        Event::UnsubscribeRequested(_) => "unsubscribe requested".into(),
        Event::Subscribed { .. } => "subscribed".into(),
        Event::Unsubscribed { .. } => "unsubscribed".into(),
        Event::RequestLost { .. } => "request lost".into(),
        Event::Disconnected(disconnected) => match disconnected.cause {
            mqtt_session::DisconnectCause::Malformed(error) => format!("malformed {:?}", error.cause()),
            mqtt_session::DisconnectCause::Violation(violation) => format!("violation {violation:?}"),
            cause => format!("{cause:?}"),
        },
        other => format!("{other:?}"),
    }
}
