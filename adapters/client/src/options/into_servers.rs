//! What can be given where the servers of a connection are wanted.

use nats_proto::{ServerUrl, UrlError};

/// What can be given where the servers of a connection are wanted: text, which is a URL or a comma-separated list of them,
/// and URLs that are checked already.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as servers",
    note = "give a `&str` or a `String` with URLs between commas, or a `Vec<ServerUrl>`"
)]
pub trait IntoServers {
    /// The URLs, in this order.
    ///
    /// # Errors
    /// The first URL that cannot be used.
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError>;
}

impl IntoServers for &str {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        ServerUrl::parse_list(self)
    }
}

impl IntoServers for &String {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        self.as_str().into_servers()
    }
}

impl IntoServers for String {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        self.as_str().into_servers()
    }
}

impl IntoServers for ServerUrl {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        Ok(vec![self])
    }
}

impl IntoServers for Vec<ServerUrl> {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        Ok(self)
    }
}

impl IntoServers for &[ServerUrl] {
    fn into_servers(self) -> Result<Vec<ServerUrl>, UrlError> {
        Ok(self.to_vec())
    }
}
