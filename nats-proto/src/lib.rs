//! The NATS client protocol as bytes and operations, for both roles, without I/O.
#![no_std]
#![forbid(unsafe_code)]
