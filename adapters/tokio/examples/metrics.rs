//! Lets Prometheus collect the numbers of a connection: `metrics [URL] [ADDRESS]`, and then
//! `curl http://127.0.0.1:9464/metrics`. It ends with Ctrl-C.

use std::time::Duration;

use nats_conn_tokio::{ConnectOptions, Metrics};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:9464".into());

    let (client, _events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}/metrics", listener.local_addr()?);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Too many files are open, for example: that passes.
                        eprintln!("accept: {error}");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let page = client.metrics().label("connection", "example").to_string();
                // Who asks for nothing is not waited for.
                tokio::spawn(tokio::time::timeout(Duration::from_secs(5), answer(stream, page)));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await;
    Ok(())
}

/// Reads one request and answers it, if it is for this page.
async fn answer(stream: TcpStream, page: String) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).await? > 2 && request.len() < 8192 {}
    let (status, body) = if request.starts_with("GET /metrics ") {
        ("200 OK", page)
    } else {
        ("404 Not Found", String::new())
    };
    let (kind, length) = (Metrics::CONTENT_TYPE, body.len());
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}
