//! A hostile world for MQTT programs, in one thread and from one seed.
//!
//! This room is still empty; here is what it is for. Clients and a broker run in it against links that split, stall,
//! reset and deliver late, against clocks that jump and stores that forget, all driven by one random number generator.
//! A seed is the whole story: the same seed gives the same bytes in the same order, and a failing run prints it. After
//! the faults comes peace, and then everything that can still be delivered must be, within a bounded virtual time.
//!
//! It is public on purpose. Whoever writes an application or a broker on these crates can put it into the same world,
//! in the tests of their own project.
