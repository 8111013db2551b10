//! The lists in SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::iter::FusedIterator;

use crate::error::{DecodeError, EncodeError};
use crate::reader::Reader;
use crate::{Codec, TransmitBuf, Version};

/// An element of a list.
pub(crate) trait Element<'a>: Copy {
    fn read(reader: &mut Reader<'a>, codec: &Codec) -> Result<Self, DecodeError>;
    /// Reads one that has been read before, and need not be checked again. `None`: the end.
    fn read_again(reader: &mut Reader<'a>, version: Version) -> Option<Self>;
    fn encoded_len(&self) -> usize;
    fn write(&self, version: Version, out: &mut TransmitBuf);
}

/// A list of `T` in a packet: either decoded, and then still a checked range of bytes, or made from a slice. Neither allocates.
///
/// ```
/// use mqtt_proto::{List, ReasonCode};
///
/// let codes = [ReasonCode::Success, ReasonCode::NotAuthorized];
/// let list = List::from(&codes[..]);
/// assert_eq!(list.len(), 2);
/// assert_eq!(list.iter().last(), Some(ReasonCode::NotAuthorized));
/// ```
#[derive(Clone, Copy)]
pub struct List<'a, T>(Source<'a, T>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    Encoded { bytes: &'a [u8], version: Version, count: usize },
    Slice(&'a [T]),
}

impl<T> List<'_, T> {
    /// How many elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Encoded { count, .. } => count,
            Source::Slice(slice) => slice.len(),
        }
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[expect(private_bounds, reason = "the three element types are public, what they have in common is not")]
impl<'a, T: Element<'a>> List<'a, T> {
    /// The elements, in order.
    #[must_use]
    pub fn iter(&self) -> ListIter<'a, T> {
        let cursor = match self.0 {
            Source::Encoded { bytes, version, .. } => Cursor::Encoded { reader: Reader::new(bytes, 0), version },
            Source::Slice(slice) => Cursor::Slice(slice.iter()),
        };
        ListIter { cursor, left: self.len() }
    }

    /// Reads elements up to the end of the packet, and lets `check` refuse them.
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        codec: &Codec,
        check: impl Fn(T, &Reader<'a>) -> Result<(), DecodeError>,
    ) -> Result<Self, DecodeError> {
        let mut count = 0_usize;
        let bytes = reader.rest();
        while !reader.is_empty() {
            let start = *reader;
            check(T::read(reader, codec)?, &start)?;
            count = count.saturating_add(1);
        }
        Ok(Self(Source::Encoded { bytes, version: codec.version, count }))
    }

    /// Lets `check` refuse elements, and says how many bytes they take.
    pub(crate) fn measure(&self, check: impl Fn(&T) -> Result<(), EncodeError>) -> Result<usize, EncodeError> {
        match self.0 {
            Source::Encoded { bytes, .. } => self.iter().try_for_each(|element| check(&element)).map(|()| bytes.len()),
            Source::Slice(slice) => slice.iter().try_fold(0_usize, |sum, element| {
                check(element)?;
                Ok(sum.saturating_add(element.encoded_len()))
            }),
        }
    }

    /// Appends the elements, in order: v3\[MQTT-3.9.3-1\] v5\[MQTT-3.9.3-1\].
    pub(crate) fn write(&self, version: Version, out: &mut TransmitBuf) {
        match self.0 {
            Source::Encoded { .. } => self.iter().for_each(|element| element.write(version, out)),
            Source::Slice(slice) => slice.iter().for_each(|element| element.write(version, out)),
        }
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(slice: &'a [T]) -> Self {
        Self(Source::Slice(slice))
    }
}

impl<'a, T: Element<'a>> IntoIterator for &List<'a, T> {
    type Item = T;
    type IntoIter = ListIter<'a, T>;

    fn into_iter(self) -> ListIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Element<'a> + PartialEq> PartialEq for List<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a> + Eq> Eq for List<'a, T> {}

impl<'a, T: Element<'a> + Hash> Hash for List<'a, T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|element| element.hash(state));
    }
}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Yields the elements of a list. Made by [`List::iter`].
///
/// ```
/// use mqtt_proto::{Codec, Packet, ReasonCode, Version};
///
/// let client = Codec::client(Version::V5);
/// let Some(Packet::SubAck(suback)) = client.decode(&mut &[0x90, 5, 0, 10, 0, 1, 0x87][..])? else { panic!() };
/// let mut codes = suback.reason_codes.iter();
/// assert_eq!(codes.next(), Some(ReasonCode::GrantedQos1));
/// assert_eq!(codes.len(), 1);
/// assert_eq!(codes.next(), Some(ReasonCode::NotAuthorized));
/// assert_eq!(codes.next(), None);
/// # Ok::<(), mqtt_proto::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ListIter<'a, T> {
    cursor: Cursor<'a, T>,
    left: usize,
}

#[derive(Clone, Debug)]
enum Cursor<'a, T> {
    Encoded { reader: Reader<'a>, version: Version },
    Slice(core::slice::Iter<'a, T>),
}

impl<'a, T: Element<'a>> Iterator for ListIter<'a, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.saturating_sub(1);
        match &mut self.cursor {
            Cursor::Encoded { reader, version } => T::read_again(reader, *version),
            Cursor::Slice(slice) => slice.next().copied(),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for ListIter<'a, T> {}

impl<'a, T: Element<'a>> FusedIterator for ListIter<'a, T> {}
