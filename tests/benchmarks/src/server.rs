//! The server: it costs next to nothing, and so what is measured is the client.
//!
//! It discards what is published to `orders.>`, answers requests and PINGs, sends messages that were encoded
//! before when it is asked to, and closes the link when it is asked to. It runs in a process of its own, one for each measurement,
//! and says at its end what it has seen.

mod conversation;
mod tls;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::cells::Cell;
pub(crate) use tls::write_certificates;

/// What the server has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Messages that were published to `orders.>`.
    pub(crate) published: u64,
    /// From the accept of the second link to the last SUB, in seconds, if there was one.
    pub(crate) restored_after: Option<f64>,
    /// The bytes of the SUB lines on the second link.
    pub(crate) restored_bytes: u64,
}

/// What all links of a server share.
struct Shared {
    cell: Cell,
    count: u64,
    links: AtomicU64,
    published: AtomicU64,
    restored: Mutex<Option<(f64, u64)>>,
}

/// Serves until standard input ends; the port is the first line on standard output, what was seen is the last.
pub(crate) fn serve(cell: Cell, count: u64, certificates: &Path) -> Outcome<()> {
    let tls = if cell.tls {
        Some(tls::acceptor(certificates)?)
    } else {
        None
    };
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let shared = Arc::new(Shared {
        cell,
        count,
        links: AtomicU64::new(0),
        published: AtomicU64::new(0),
        restored: Mutex::new(None),
    });
    let links = Arc::clone(&shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let accepted = Instant::now();
            let (links, tls) = (Arc::clone(&links), tls.clone());
            let link = move || {
                // A client that leaves ends its link and nothing else.
                let _ = hold(stream, accepted, &links, tls);
            };
            std::thread::Builder::new().stack_size(256 << 10).spawn(link).ok();
        }
    });
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    let restored = *shared.restored.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = Seen {
        published: shared.published.load(Ordering::Relaxed),
        restored_after: restored.map(|(after, _)| after),
        restored_bytes: restored.map_or(0, |(_, bytes)| bytes),
    };
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

fn hold(
    mut stream: TcpStream,
    accepted: Instant,
    shared: &Shared,
    tls: Option<Arc<rustls::ServerConfig>>,
) -> Outcome<()> {
    stream.set_nodelay(true)?;
    let number = shared.links.fetch_add(1, Ordering::Relaxed);
    let port = stream.local_addr()?.port();
    let tls_required = tls.is_some();
    write!(
        stream,
        "INFO {{\"server_id\":\"BENCH\",\"server_name\":\"bench\",\"version\":\"2.12.0\",\"go\":\"go1.25\",\"proto\":1,\
         \"client_id\":{client},\"host\":\"127.0.0.1\",\"port\":{port},\"headers\":true,\"max_payload\":8388608,\
         \"tls_required\":{tls_required}}}\r\n",
        client = number + 1
    )?;
    let mut conversation = conversation::Conversation::new(shared, number, accepted);
    match tls {
        None => conversation.hold(&mut stream),
        Some(config) => {
            let session = rustls::ServerConnection::new(config)?;
            conversation.hold(&mut rustls::StreamOwned::new(session, stream))
        }
    }
}
