//! The parts of a connection. Each owns its state, takes and returns plain values, knows none of the others, and never encodes; `connection` wires them.

pub(crate) mod alias;
pub(crate) mod inbound;
pub(crate) mod keep_alive;
pub(crate) mod outbound;
pub(crate) mod output;
pub(crate) mod packet_id;
pub(crate) mod queue;
pub(crate) mod quota;
pub(crate) mod requests;
