//! What a broker says of itself, as retained messages below `$SYS/broker`.

use alloc::format;
use alloc::string::ToString;

use mqtt_proto::TopicName;

use super::Broker;
use crate::{Instant, Message};

impl Broker {
    /// Publishes the figures, if that is due.
    pub(super) fn publish_figures(&mut self, now: Instant) {
        let Some(interval) = self.options.figures_interval else {
            return;
        };
        let due = *self.figures_due.get_or_insert(now);
        if now < due {
            return;
        }
        self.figures_due = Some(now + interval);
        let counts = self.counts();
        let uptime = self.started.get_or_insert(now);
        let uptime = now.since(*uptime).as_secs();
        let connected = self.registry.sessions().filter(|session| session.connection.is_some()).count();
        let figures = [
            ("uptime", format!("{uptime} seconds")),
            ("clients/connected", connected.to_string()),
            ("clients/disconnected", counts.sessions.saturating_sub(connected).to_string()),
            ("clients/total", counts.sessions.to_string()),
            ("subscriptions/count", counts.subscriptions.to_string()),
            ("retained messages/count", counts.retained_messages.to_string()),
            ("retained messages/bytes", counts.retained_bytes.to_string()),
            ("messages/received", self.messages_received.to_string()),
            ("messages/sent", self.messages_sent.to_string()),
        ];
        for (name, figure) in &figures {
            let topic = format!("$SYS/broker/{name}");
            let Ok(topic) = TopicName::new(&topic) else {
                continue;
            };
            let is_new =
                self.retained.get(now, topic).is_none_or(|old| old.message().payload().as_slice() != figure.as_bytes());
            if is_new {
                let mut message = Message::new(topic, figure.as_bytes());
                message.retain = true;
                self.route(now, &message, None);
            }
        }
    }
}
