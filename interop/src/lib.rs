//! Tests against foreign MQTT programs. Everything is in `tests/`, behind the feature `interop`.
