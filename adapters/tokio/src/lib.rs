//! A NATS client for tokio.
