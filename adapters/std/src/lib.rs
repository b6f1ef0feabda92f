//! A blocking NATS client over std sockets.
