//! The codec against the protocol: tables, edge cases, properties, recorded servers, an independent parser.
//!
//! One binary, so that the whole of it links once.

mod client_operations;
mod client_role_properties;
mod edge_cases;
mod edge_cases_of_headers;
mod golden;
mod headers;
mod reference;
mod server_errors;
mod server_info;
mod server_operations;
mod server_reference;
mod server_role;
mod subjects;
mod transmit_buf;
mod trickle;
mod urls;
mod wire;
