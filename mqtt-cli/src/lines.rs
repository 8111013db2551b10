//! The standard input, line by line.

use std::io::{self, BufRead, Read};

use mqtt_proto::PACKET_BYTES_MAX;
use tokio::sync::mpsc::{Receiver, channel};

/// Lines that may wait.
const LINES_MAX: usize = 64;

/// Reads lines in a thread of its own, since nothing else can give up reading a terminal. Line ends are cut off; the end of the channel is the end of the input.
pub(crate) fn of_stdin() -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = channel(LINES_MAX);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = next(&mut input, PACKET_BYTES_MAX.into()).transpose() {
            let failed = line.is_err();
            if sender.blocking_send(line).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// All of `input`, unless it is longer than any message.
pub(crate) fn all(input: impl Read) -> io::Result<Vec<u8>> {
    let bytes_max: u64 = PACKET_BYTES_MAX.into();
    let mut bytes = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(too_long(bytes_max)) } else { Ok(bytes) }
}

fn next(input: &mut impl BufRead, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // One more for the line end.
    input.take(bytes_max + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > bytes_max {
        return Err(too_long(bytes_max));
    }
    Ok(Some(line))
}

fn too_long(bytes_max: u64) -> io::Error {
    io::Error::other(format!("longer than a message can be ({bytes_max} bytes)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8], bytes_max: u64) -> Vec<Result<Vec<u8>, String>> {
        let mut lines = Vec::new();
        while let Some(line) = next(&mut input, bytes_max).transpose() {
            let failed = line.is_err();
            lines.push(line.map_err(|error| error.to_string()));
            if failed {
                break;
            }
        }
        lines
    }

    #[test]
    fn a_line_is_what_stands_before_a_line_end_or_the_end() {
        assert_eq!(lines(b"a\n\nb\r\n\xff", 9), [&b"a"[..], b"", b"b\r", b"\xff"].map(|line| Ok(line.to_vec())));
        assert_eq!(lines(b"a\n", 9), [Ok(b"a".to_vec())]);
        assert_eq!(lines(b"", 9), []);
    }

    #[test]
    fn a_line_has_a_greatest_length() {
        assert_eq!(lines(b"123\n123", 3), [Ok(b"123".to_vec()), Ok(b"123".to_vec())]);
        assert_eq!(lines(b"1234\n", 3), [Err("longer than a message can be (3 bytes)".into())]);
    }
}
