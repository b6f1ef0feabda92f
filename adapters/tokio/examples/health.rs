//! Answers health checks: `health [URL] [ADDRESS]`, and then `curl -i http://127.0.0.1:8080/readyz` or `/healthz`. The
//! page `health` of the documentation says what each of them asks. It ends with Ctrl-C.

use std::time::Duration;

use nats_conn_tokio::{Client, ConnectOptions, State};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Less than half of what NATs and load balancers on the way let a connection be idle.
const PING_INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());

    let options = ConnectOptions::from_url(&url)?.retry_initial(true);
    let (client, _events) = options.ping_interval(PING_INTERVAL).max_pings_out(2).start()?;
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}/readyz", listener.local_addr()?);
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
                // Who asks for nothing is not waited for.
                tokio::spawn(tokio::time::timeout(Duration::from_secs(5), answer(stream, client.clone())));
            }
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await;
    Ok(())
}

/// A restart would help if this is false: the connection does not come back by itself.
fn is_live(client: &Client) -> bool {
    client.state() != State::Closed
}

/// There is a session, and the server was heard lately.
fn is_ready(client: &Client) -> bool {
    let health = client.link_health();
    client.state() == State::Connected && health.is_some_and(|health| health.silence < PING_INTERVAL * 2)
}

/// Reads one request and answers it.
async fn answer(stream: TcpStream, client: Client) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    while stream.read_line(&mut request).await? > 2 && request.len() < 8192 {}
    let status = match request.split(' ').nth(1) {
        Some("/healthz") if is_live(&client) => "200 OK",
        Some("/readyz") if is_ready(&client) => "200 OK",
        Some("/healthz" | "/readyz") => "503 Service Unavailable",
        _ => "404 Not Found",
    };
    let body = client.why() + "\n";
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + &body).as_bytes()).await?;
    stream.shutdown().await
}
