//! MQTT client and broker on async-std, which its own maintainers discontinued in 2025. New programs should use `mqtt-smol`.
