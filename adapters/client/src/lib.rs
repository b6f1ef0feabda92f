//! What applications hold of a NATS connection, and what its drivers share.
