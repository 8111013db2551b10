//! Strategies for `proptest`, with the feature of that name: every packet in every version, and what packets are made of.
//!
//! `any::<PacketBuf>()` makes packets for any end in any version. They shrink towards small and simple ones.
//!
//! ```
//! use mqtt_proto::{Codec, PacketBuf, Version};
//! use proptest::prelude::*;
//!
//! proptest!(|(packet in mqtt_proto::proptest::packet_buf(Codec::server(Version::V5)))| {
//!     let again = PacketBuf::new(packet.codec(), packet.as_bytes().clone()).unwrap();
//!     prop_assert_eq!(again.packet(), packet.packet());
//! });
//! proptest!(|(packet: PacketBuf)| {
//!     prop_assert!(packet.as_bytes().len() >= 2);
//! });
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use ::proptest::arbitrary::{Arbitrary, any};
use ::proptest::collection::vec;
use ::proptest::strategy::{BoxedStrategy, Strategy};

use crate::choices::{self, Choices};
use crate::{Codec, PacketBuf, TopicFilterBuf, TopicNameBuf, Version};

/// Packets that `receiver` may get.
///
/// ```
/// use mqtt_proto::{Codec, Packet, Version};
/// use proptest::prelude::*;
///
/// proptest!(|(packet in mqtt_proto::proptest::packet_buf(Codec::client(Version::V3_1)))| {
///     prop_assert!(!matches!(packet.packet(), Packet::Connect(_)));
/// });
/// ```
pub fn packet_buf(receiver: Codec) -> impl Strategy<Value = PacketBuf> + Clone {
    bytes().prop_filter_map("larger than the receiver takes", move |bytes| {
        choices::packet_buf(&mut Choices::new(&bytes), receiver)
    })
}

/// Strings that are a [`Text`](crate::Text); short ones, of up to 128 bytes.
///
/// ```
/// use mqtt_proto::Text;
/// use proptest::prelude::*;
///
/// proptest!(|(text in mqtt_proto::proptest::text())| {
///     prop_assert!(Text::new(&text).is_ok());
/// });
/// ```
pub fn text() -> impl Strategy<Value = String> + Clone {
    bytes().prop_map(|bytes| Choices::new(&bytes).text().as_str().into())
}

impl Arbitrary for PacketBuf {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        bytes()
            .prop_filter_map("larger than a receiver takes", |bytes| {
                let mut choices = Choices::new(&bytes);
                let receiver = choices::receiver(&mut choices);
                choices::packet_buf(&mut choices, receiver)
            })
            .boxed()
    }
}

impl Arbitrary for TopicNameBuf {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        bytes().prop_map(|bytes| Choices::new(&bytes).topic().into()).boxed()
    }
}

impl Arbitrary for TopicFilterBuf {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> BoxedStrategy<Self> {
        bytes().prop_map(|bytes| Choices::new(&bytes).filter(Version::V5).into()).boxed()
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(any::<u8>(), 0..200)
}
