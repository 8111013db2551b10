//! Getting bytes out, and the last part of a connection's life.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use mqtt_proto::TransmitBuf;

use crate::transport::Transport;

/// More pieces than this go out in a second write.
const SLICES_MAX: usize = 64;

/// Writes as much of `out` as the transport takes. Ready: all of it.
pub(crate) fn poll_write(
    transport: &mut impl Transport,
    cx: &mut Context<'_>,
    out: &mut TransmitBuf,
) -> Poll<io::Result<()>> {
    while !out.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slice, place) in out.slices().zip(&mut slices) {
            *place = IoSlice::new(slice);
            count += 1;
        }
        let written = ready!(transport.poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        out.advance(written);
    }
    Poll::Ready(Ok(()))
}

/// Sends what is left, says that nothing more comes, and waits until the peer has said the same: a transport that is dropped with
/// unread input can take the last words with it.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    said: bool,
}

impl Farewell {
    /// Ready: the transport can be dropped. The caller has a deadline; nobody has to be waited for for ever.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut impl Transport,
        out: &mut TransmitBuf,
        scratch: &mut [u8],
    ) -> Poll<()> {
        if !self.said {
            match Self::poll_say(cx, transport, out) {
                Poll::Ready(Ok(())) => self.said = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        // Even before that: a peer that writes, and reads only later, must not make us wait for it.
        for _ in 0..READS_MAX {
            match transport.poll_read(cx, scratch) {
                Poll::Ready(Ok(0)) if self.said => return Poll::Ready(()),
                // The other direction may still be open.
                Poll::Ready(Ok(0)) | Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_say(cx: &mut Context<'_>, transport: &mut impl Transport, out: &mut TransmitBuf) -> Poll<io::Result<()>> {
        ready!(poll_write(transport, cx, out))?;
        ready!(transport.poll_flush(cx))?;
        transport.poll_close(cx)
    }
}

/// Reads of a turn that only throws away.
const READS_MAX: usize = 16;
