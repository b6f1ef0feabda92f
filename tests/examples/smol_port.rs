//! The client on smol: a runtime that has no adapter, and a service on it: `smol_port [URL]`. It ends with its input.

use std::any::Any;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Instant;

use nats_conn_client::driver::{FuturesStream, Runtime, Sockets, Target, dial_all};
use nats_conn_client::machine::LinkEnd;
use nats_conn_client::{Client, ConnectOptions, Error, Headers, Message, StartError};
use smol::io::AsyncReadExt;
use smol::{Async, Timer};

#[derive(Default)]
struct Smol;

type Stream = FuturesStream<Smol>;

impl Sockets for Smol {
    fn tcp(stream: &dyn Any) -> Option<&TcpStream> {
        Some(stream.downcast_ref::<Async<TcpStream>>()?.get_ref())
    }
}

impl Runtime for Smol {
    type Io = Stream;
    type Sleep = Timer;

    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        smol::spawn(driver).detach();
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Timer {
        Timer::at(deadline)
    }

    fn dial(&self, target: Target) -> impl Future<Output = Result<Stream, LinkEnd>> + Send + 'static {
        dial(target)
    }
}

async fn dial(target: Target) -> Result<Stream, LinkEnd> {
    let dialled = dial_all(&target, Async::<TcpStream>::connect, Timer::after);
    dialled.await.map(Stream::new)
}

fn main() -> Result<ExitCode, Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    smol::block_on(async {
        let options = ConnectOptions::<Smol>::from_url(&url)?.retry_initial(true);
        let (client, mut events) = options.start()?;
        let log = smol::spawn(async move {
            while let Some(event) = events.next().await {
                eprintln!("{event}");
            }
        });
        let mut orders = client.queue_subscribe("orders.>", "workers")?;
        let ending = client.clone();
        smol::spawn(async move {
            let _ = smol::Unblock::new(io::stdin()).read_to_end(&mut Vec::new()).await;
            ending.begin_drain();
        })
        .detach();
        while let Some(order) = orders.next().await {
            if let Err(error) = take(&client, &order).await {
                eprintln!("not answered: {error}");
            }
        }
        client.drain().await;
        log.await;
        eprintln!("{}", client.publish_fates());
        Ok(client.exit_code())
    })
}

async fn take(client: &Client, order: &Message) -> Result<(), Error> {
    let headers = Headers::try_from([("Service", "orders"), ("Order", &order.subject())])?;
    if order.reply().is_some() {
        client.respond(order, "taken").headers(&headers).await?;
    }
    client
        .publish("events.order.taken", order.payload())
        .headers(&headers)
        .await?;
    Ok(())
}
