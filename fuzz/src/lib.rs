//! What the fuzz targets share.
//!
//! A target asserts an equation, such as `decode(encode(p)) == p`; "no panic" alone is too little to ask. A seed is an
//! input worth starting from, named after what it holds. An input that once found a bug becomes a seed, for good.
//!
//! The equations are in [`checks`], one function per target. The tests of `mqtt-proto` include these files by their path: they try the
//! same equations on the seeds and on proptest's bytes, with no fuzzer at hand.
//!
//! Four targets are about sessions, and try `mqtt-session`: theirs are in `sessions/`, which a test of that crate includes.
//!
//! Seeds of `decode` start with one byte that names the protocol level (3, 4 or 5), those of `chunks` with the size of a piece (0: mixed); the
//! rest is what the peer sent. Those of `dialect` start with two bytes of bits, a dialect's features and its leniencies, then have both. Those
//! of `round_trip` are [`choices`](mqtt_proto::choices), those of `topic_match` a filter, a NUL and a name. Those of `session` start with a number of
//! choices, and those; the rest is an exported session. Those of the others about sessions are choices.

pub mod checks;
pub mod topics;
