//! What the fuzz targets share.
//!
//! A target asserts an equation, such as `decode(encode(p)) == p`; "no panic" alone is too little to ask. A seed is an
//! input worth starting from, named after what it holds. An input that once found a bug becomes a seed, for good.
//!
//! Seeds of `decode` start with one byte that names the protocol level (3, 4 or 5); the rest is what the peer sent.
