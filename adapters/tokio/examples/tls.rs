//! Connects with TLS, and shows a certificate if one is given: `tls URL [CA_FILE [CERTIFICATE_FILE KEY_FILE]]`, all of them
//! PEM files. Without a CA file whoever the operating system trusts is trusted.

use nats_conn_tokio::{ConnectOptions, Error, TlsOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(url) = arguments.next() else {
        eprintln!("usage: tls URL [CA_FILE [CERTIFICATE_FILE KEY_FILE]]");
        std::process::exit(2);
    };
    let mut tls = TlsOptions::new();
    if let Some(ca) = arguments.next() {
        tls = tls.with_ca_file(ca);
    }
    if let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) {
        tls = tls.with_client_certificate(certificate, key);
    }

    // With a URL `tls://` the same holds; so it does for servers that the cluster announces later.
    let options = ConnectOptions::from_url(&url)?.tls(tls).tls_required(true);
    let client = options.connect().await?;
    println!("round trip with TLS: {:?}", client.rtt().await?);
    client.close().await;
    Ok(())
}
