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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_stands_for_itself_and_a_list_for_each_of_its_own() {
        let url: ServerUrl = "nats://a.test:4222".parse().unwrap();
        assert_eq!(url.clone().into_servers().unwrap(), std::slice::from_ref(&url));
        let both = vec![url.clone(), "tls://b.test".parse().unwrap()];
        assert_eq!(both.clone().into_servers().unwrap(), both);
        assert_eq!(both.as_slice().into_servers().unwrap(), both);
    }

    #[test]
    fn text_is_a_list_of_urls_whoever_holds_it() {
        let text = String::from("nats://a.test,tls://b.test");
        let expected = ServerUrl::parse_list(&text).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!((&text).into_servers().unwrap(), expected);
        assert_eq!(text.as_str().into_servers().unwrap(), expected);
        assert_eq!(text.into_servers().unwrap(), expected);
        assert!("nats://:x".into_servers().is_err());
    }
}
