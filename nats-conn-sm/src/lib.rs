//! The life of a NATS connection as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
