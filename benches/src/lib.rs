//! Benchmarks of this project alone. Everything is in `benches/`.
