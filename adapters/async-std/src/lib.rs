//! A NATS client for async-std and other futures-io runtimes.
