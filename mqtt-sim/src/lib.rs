//! A hostile world for MQTT programs, in one thread and from one seed.
