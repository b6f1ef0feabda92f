//! The adapters, each with the runtime that it needs.

use std::io;

use nats_conn_async_std::AsyncStd;
use nats_conn_std::Std;
use nats_conn_tests::chaos::soak::Starter;
use nats_conn_tokio::Tokio;
use tokio::runtime::{Builder, Handle};

/// One adapter.
pub(crate) struct Runtime {
    name: &'static str,
    kind: Kind,
}

enum Kind {
    /// Its thread runs to the end of the process.
    CurrentThread(Handle),
    MultiThread(tokio::runtime::Runtime),
    Std,
    StdClient,
    AsyncStd,
}

const NAMES: [&str; 5] = ["tokio", "tokio-mt", "std", "std-client", "async-std"];

/// Those of this name, or `all`.
pub(crate) fn chosen(name: &str) -> io::Result<Vec<Runtime>> {
    let names = NAMES.into_iter().filter(|known| *known == name || name == "all");
    let runtimes: Vec<Runtime> = names.map(Runtime::new).collect::<io::Result<_>>()?;
    if runtimes.is_empty() {
        return Err(io::Error::other(format!("no adapter is called {name}")));
    }
    Ok(runtimes)
}

impl Runtime {
    fn new(name: &'static str) -> io::Result<Self> {
        let kind = match name {
            "tokio" => {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                let handle = runtime.handle().clone();
                std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
                Kind::CurrentThread(handle)
            }
            "tokio-mt" => Kind::MultiThread(
                Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()?,
            ),
            "std" => Kind::Std,
            "std-client" => Kind::StdClient,
            _ => Kind::AsyncStd,
        };
        Ok(Self { name, kind })
    }

    /// Starts connections on it from any thread.
    pub(crate) fn starter(&self) -> Starter {
        match &self.kind {
            Kind::CurrentThread(handle) => of_tokio(self.name, handle),
            Kind::MultiThread(runtime) => of_tokio(self.name, runtime.handle()),
            Kind::Std => of_std(self.name),
            Kind::StdClient => {
                of_std(self.name).with_crowds(|options| options.adapter(Std::default()).start())
            }
            Kind::AsyncStd => Starter::new(self.name, |options| options.adapter(AsyncStd::default()).start()),
        }
    }
}

fn of_std(name: &'static str) -> Starter {
    Starter::new(name, |options| {
        let (client, events) = options.adapter(Std::default()).start()?;
        Ok((client.into_inner(), events.into_inner()))
    })
}

fn of_tokio(name: &'static str, handle: &Handle) -> Starter {
    let handle = handle.clone();
    Starter::new(name, move |options| {
        let _inside = handle.enter();
        options.adapter(Tokio::default()).start()
    })
}
