//! Implementations of [`Arbitrary`], with feature `arbitrary`: every packet in every version, and what packets are made of.

use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

use crate::choices::{self, Choices};
use crate::{Codec, PacketBuf, Text, TopicFilter, TopicFilterBuf, TopicName, TopicNameBuf, Version};

/// Any end in any version.
impl<'a> Arbitrary<'a> for Codec {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(choices::receiver(&mut Choices::new(&[u.arbitrary()?, u.arbitrary()?])))
    }
}

/// Packets for any end in any version. With feature `arbitrary`:
///
/// ```
/// use arbitrary::{Arbitrary, Unstructured};
/// use mqtt_proto::PacketBuf;
///
/// let packet = PacketBuf::arbitrary_take_rest(Unstructured::new(b"whatever a fuzzer has found"))?;
/// assert_eq!(PacketBuf::new(packet.codec(), packet.as_bytes().clone()), Ok(packet));
/// # Ok::<(), arbitrary::Error>(())
/// ```
impl<'a> Arbitrary<'a> for PacketBuf {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        any_packet(u.arbitrary()?)
    }

    fn arbitrary_take_rest(u: Unstructured<'a>) -> Result<Self> {
        any_packet(u.take_rest())
    }
}

fn any_packet(bytes: &[u8]) -> Result<PacketBuf> {
    let mut choices = Choices::new(bytes);
    let receiver = choices::receiver(&mut choices);
    choices::packet_buf(&mut choices, receiver).ok_or(Error::IncorrectFormat)
}

macro_rules! borrowed {
    ($($name:ident, $choose:expr;)*) => { $(
        impl<'a> Arbitrary<'a> for $name<'a> {
            fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
                Ok($choose(&mut Choices::new(u.arbitrary()?)))
            }
        }
    )* };
}

borrowed! {
    Text, Choices::text;
    TopicName, Choices::topic;
    TopicFilter, |choices: &mut Choices<'a>| choices.filter(Version::V5);
}

impl<'a> Arbitrary<'a> for TopicNameBuf {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        TopicName::arbitrary(u).map(Self::from)
    }
}

impl<'a> Arbitrary<'a> for TopicFilterBuf {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        TopicFilter::arbitrary(u).map(Self::from)
    }
}
