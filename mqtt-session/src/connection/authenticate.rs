//! Enhanced authentication (5.0 section 4.12), on the way to CONNACK and again while connected.

use mqtt_proto::{Auth, EncodeError, Packet, Properties, PropertiesBuf, Property, ReasonCode, Text};

use super::{Connection, Handled, Phase};
use crate::event::DisconnectCause;
use crate::{Event, Instant, Violation};

impl Connection {
    /// AUTH from the peer. The codec lets only a server say that all is done, and only a client begin again: v5\[MQTT-3.15.2-1\].
    pub(crate) fn handle_auth<'b>(&mut self, now: Instant, auth: Auth<'b>) -> Handled<'b> {
        let violation = |violation| Err(DisconnectCause::Violation(violation));
        // v5[MQTT-4.12.0-6] v5[MQTT-4.12.0-7]
        if self.link.method.is_none() {
            return violation(Violation::AuthWithoutMethod);
        }
        // v5[MQTT-4.12.0-5] v5[MQTT-4.12.1-1]
        if !self.is_method(&auth.properties) {
            return violation(Violation::AuthenticationMethod);
        }
        let next = match (self.link.phase, auth.reason_code) {
            // v5[MQTT-4.12.0-2]
            (Phase::AwaitConnAck, ReasonCode::ContinueAuthentication) => Phase::DueAuth,
            // v5[MQTT-4.12.0-3]
            (Phase::AwaitAuth, ReasonCode::ContinueAuthentication) => Phase::DueConnAck,
            (Phase::AwaitReAuth, ReasonCode::ContinueAuthentication) => Phase::DueReAuth,
            (Phase::AwaitReAuth, ReasonCode::Success) => Phase::Open,
            (Phase::Open, ReasonCode::ReAuthenticate) => Phase::DueReAuth,
            _ => return violation(Violation::UnexpectedAuth),
        };
        if self.link.phase == Phase::Open {
            self.begin_exchange(now);
        }
        if self.link.rounds >= self.limits.authentication_rounds_max {
            return violation(Violation::AuthenticationRounds);
        }
        self.link.rounds = self.link.rounds.saturating_add(1);
        self.enter(next);
        Ok(Some(Event::Auth(auth)))
    }

    /// These properties name the method of CONNECT, or none if that named none.
    pub(crate) fn is_method(&self, properties: &Properties<'_>) -> bool {
        properties.authentication_method().map(|method| method.as_bytes())
            == self.link.method.as_deref().map(str::as_bytes)
    }

    /// AUTH from us, with the method of CONNECT. It leads to the phase `next`.
    pub(crate) fn send_auth(
        &mut self,
        now: Instant,
        auth: Auth<'_>,
        data: Option<&[u8]>,
        next: Phase,
    ) -> Result<(), EncodeError> {
        let mut properties = PropertiesBuf::new();
        // v5[MQTT-4.12.0-5] v5[MQTT-4.12.1-1]
        properties.push(Property::AuthenticationMethod(Text::new(self.link.method.as_deref().unwrap_or_default())?))?;
        if let Some(data) = data {
            properties.push(Property::AuthenticationData(data))?;
        }
        properties.extend_if(auth.properties, |_| true)?;
        self.answer_explained(Packet::Auth(Auth { properties: properties.as_properties(), ..auth }))?;
        if self.link.phase == Phase::Open {
            self.begin_exchange(now);
        }
        self.enter(next);
        Ok(())
    }

    /// A re-authentication begins, and gets its deadline.
    fn begin_exchange(&mut self, now: Instant) {
        self.link.rounds = 0;
        self.link.deadline = Some(now + self.limits.connect_timeout);
    }

    fn enter(&mut self, phase: Phase) {
        self.link.phase = phase;
        if phase == Phase::Open {
            self.link.deadline = None;
        }
    }
}
