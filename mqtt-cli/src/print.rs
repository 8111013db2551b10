//! How a message looks on the standard output: as mosquitto_sub prints it.

use std::io;

use mqtt_tokio::Message;
use tokio::io::{AsyncWriteExt, Stdout};

/// Collects messages, and writes them.
pub(crate) struct Printer {
    verbose: bool,
    lines: Vec<u8>,
    output: Stdout,
}

/// Messages that are there already are written together, up to about so many bytes.
const BATCH_BYTES: usize = 64 << 10;

impl Printer {
    pub(crate) fn new(verbose: bool) -> Self {
        Self { verbose, lines: Vec::new(), output: tokio::io::stdout() }
    }

    pub(crate) fn add(&mut self, message: &Message) {
        let topic = self.verbose.then(|| message.topic());
        append(&mut self.lines, topic, message.payload());
    }

    /// It is time to write what has been added.
    pub(crate) const fn is_full(&self) -> bool {
        self.lines.len() >= BATCH_BYTES
    }

    /// Writes what has been added, and waits until it has left.
    pub(crate) async fn write(&mut self) -> io::Result<()> {
        self.output.write_all(&self.lines).await?;
        self.output.flush().await?;
        self.lines.clear();
        self.lines.shrink_to(BATCH_BYTES);
        Ok(())
    }
}

fn append(lines: &mut Vec<u8>, topic: Option<&str>, payload: &[u8]) {
    match (topic, payload) {
        (None, []) => return,
        (None, payload) => lines.extend_from_slice(payload),
        (Some(topic), payload) => {
            lines.extend_from_slice(topic.as_bytes());
            lines.push(b' ');
            lines.extend_from_slice(if payload.is_empty() { b"(null)" } else { payload });
        }
    }
    lines.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::append;

    fn line(topic: Option<&str>, payload: &[u8]) -> Vec<u8> {
        let mut lines = Vec::new();
        append(&mut lines, topic, payload);
        lines
    }

    #[test]
    fn a_payload_is_printed_as_it_is_with_a_line_end() {
        assert_eq!(line(None, b"hello"), b"hello\n");
        assert_eq!(line(None, b"\xff\0\n"), b"\xff\0\n\n");
    }

    #[test]
    fn the_topic_stands_before_it_if_asked_for() {
        assert_eq!(line(Some("a/b"), b"hello"), b"a/b hello\n");
    }

    #[test]
    fn an_empty_message_is_only_seen_with_its_topic() {
        assert_eq!(line(None, b""), b"");
        assert_eq!(line(Some("a/b"), b""), b"a/b (null)\n");
    }
}
