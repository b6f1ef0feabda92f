//! The adapters on which every scenario runs.

use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use async_io::Async;
use nats_conn_async_std::AsyncStd;
use nats_conn_client::driver::{Target, blocking};
use nats_conn_client::{Client, ConnectError, ConnectOptions, Events, StartError};
use nats_conn_std::Std;
use nats_conn_tokio::Tokio;

use crate::watch::Watch;

/// The settings of a connection for which no adapter is chosen yet.
pub(crate) type Options = ConnectOptions<Anywhere>;

/// No adapter yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anywhere;

/// The adapter that runs a connection, and the runtime of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    /// tokio with one thread, which runs the scenario too.
    TokioCurrentThread,
    /// tokio with two threads, and the scenario on a third.
    TokioMultiThread,
    /// async-std with the threads of its executor, and the scenario on another.
    AsyncStd,
    /// Threads: handles are waited for on the thread of the scenario, by what the blocking handles wait with.
    Std,
}

/// A stream that an application made.
pub(crate) enum Made {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Made {
    /// Made non-blocking: runtimes need it, and the blocking adapter has to cope with it.
    fn unblocked(self) -> io::Result<Self> {
        match &self {
            Self::Tcp(stream) => stream.set_nonblocking(true)?,
            Self::Unix(stream) => stream.set_nonblocking(true)?,
        }
        Ok(self)
    }
}

impl Adapter {
    /// What its tests are called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokioCurrentThread => "tokio_current_thread",
            Self::TokioMultiThread => "tokio_multi_thread",
            Self::AsyncStd => "async_std",
            Self::Std => "std_threads",
        }
    }

    /// Runs a scenario to its end.
    pub(crate) fn run(self, scenario: impl Future<Output = ()>) {
        let mut runtime = match self {
            Self::TokioCurrentThread => tokio::runtime::Builder::new_current_thread(),
            Self::TokioMultiThread => tokio::runtime::Builder::new_multi_thread(),
            Self::AsyncStd | Self::Std => return on_this_thread(scenario),
        };
        let runtime = runtime.worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(scenario);
    }

    /// Starts a connection, whose events are watched from the first on.
    ///
    /// # Panics
    /// If the options cannot be used.
    #[track_caller]
    pub(crate) fn start(self, options: Options) -> (Client, Watch) {
        match self.try_start(options) {
            Ok((client, events)) => (client, Watch::new(events)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts a connection.
    pub(crate) fn try_start(self, options: Options) -> Result<(Client, Events), StartError> {
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => options.adapter(Tokio::default()).start(),
            Self::AsyncStd => options.adapter(AsyncStd::default()).start(),
            Self::Std => {
                let (client, events) = options.adapter(Std::default()).start()?;
                Ok((client.into_inner(), events.into_inner()))
            }
        }
    }

    /// Starts a connection whose streams are made by this connector, each in the type that the adapter has for it.
    #[track_caller]
    pub(crate) fn start_over(
        self,
        options: Options,
        connect: impl Fn(&Target) -> io::Result<Made> + Send + Sync + 'static,
    ) -> (Client, Watch) {
        let connect = Arc::new(move |target: &Target| connect(target)?.unblocked());
        let started = match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => {
                let connector = Tokio::with_connector(move |target| {
                    let made = connect(&target);
                    async move {
                        Ok(match made? {
                            Made::Tcp(stream) => {
                                nats_conn_tokio::Stream::new(tokio::net::TcpStream::from_std(stream)?)
                            }
                            Made::Unix(stream) => {
                                nats_conn_tokio::Stream::new(tokio::net::UnixStream::from_std(stream)?)
                            }
                        })
                    }
                });
                options.adapter(connector).start()
            }
            Self::AsyncStd => {
                let connector = AsyncStd::with_connector(move |target| {
                    let made = connect(&target);
                    async move {
                        Ok(match made? {
                            Made::Tcp(stream) => nats_conn_async_std::Stream::new(Async::new(stream)?),
                            Made::Unix(stream) => nats_conn_async_std::Stream::new(Async::new(stream)?),
                        })
                    }
                });
                options.adapter(connector).start()
            }
            Self::Std => {
                let connector = Std::with_connector(move |target| {
                    Ok(match connect(&target)? {
                        Made::Tcp(stream) => nats_conn_std::Stream::new(stream),
                        Made::Unix(stream) => nats_conn_std::Stream::new(stream),
                    })
                });
                let started = options.adapter(connector).start();
                started.map(|(client, events)| (client.into_inner(), events.into_inner()))
            }
        };
        match started {
            Ok((client, events)) => (client, Watch::new(events)),
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts a connection and waits for its first outcome.
    pub(crate) async fn connect(self, options: Options) -> Result<Client, ConnectError> {
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => {
                options.adapter(Tokio::default()).connect().await
            }
            Self::AsyncStd => options.adapter(AsyncStd::default()).connect().await,
            Self::Std => {
                let connecting = elsewhere(move || options.adapter(Std::default()).connect());
                connecting.await.map(nats_conn_std::Client::into_inner)
            }
        }
    }

    /// Runs this beside the scenario. It continues if the task that is returned is dropped.
    pub(crate) fn spawn<T: Send + 'static>(self, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (promise, waiting) = Task::new();
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => {
                tokio::spawn(async move { promise.keep(task.await) });
            }
            Self::AsyncStd | Self::Std => {
                std::thread::spawn(move || promise.keep(on_this_thread(task)));
            }
        }
        waiting
    }
}

/// Waits on this thread, without an executor.
fn on_this_thread<T>(task: impl Future<Output = T>) -> T {
    blocking::wait(None, pin!(task)).expect("no deadline")
}

/// Runs what blocks on its own thread, so that a runtime with one thread continues meanwhile.
pub(crate) fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Task<T> {
    let (promise, waiting) = Task::new();
    std::thread::spawn(move || promise.keep(work()));
    waiting
}

/// Something that runs beside the scenario: await it for its result.
#[must_use = "it is not known whether it went well"]
pub(crate) struct Task<T>(Arc<Mutex<Outcome<T>>>);

/// The other end of a [`Task`].
struct Promise<T>(Arc<Mutex<Outcome<T>>>);

struct Outcome<T> {
    value: Option<T>,
    /// Nothing will come: it panicked.
    broken: bool,
    waker: Option<Waker>,
}

impl<T> Task<T> {
    fn new() -> (Promise<T>, Self) {
        let outcome = Arc::new(Mutex::new(Outcome {
            value: None,
            broken: false,
            waker: None,
        }));
        (Promise(outcome.clone()), Self(outcome))
    }
}

impl<T> Promise<T> {
    fn keep(self, value: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).value = Some(value);
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.broken = outcome.value.is_none();
        let waker = outcome.waker.take();
        drop(outcome);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut outcome = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = outcome.value.take() {
            return Poll::Ready(value);
        }
        assert!(!outcome.broken, "what went on beside the scenario has failed");
        outcome.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Makes tests of scenarios: see the documentation of this binary.
macro_rules! scenarios {
    ($($(#[$meta:meta])* async fn $name:ident($($given:ident),+) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            $(#[$meta])*
            async fn scenario($($given: given!(type $given)),+) $body

            given!(tests $($given)+);
        }
    )+};
}

/// The parameters of a scenario, and the tests that are made of it.
macro_rules! given {
    (type adapter) => { $crate::adapter::Adapter };
    (type version) => { nats_conn_tests::real_server::Version };
    (tests adapter) => {
        #[test]
        fn tokio_current_thread() {
            let adapter = $crate::adapter::Adapter::TokioCurrentThread;
            adapter.run(scenario(adapter));
        }

        #[test]
        fn tokio_multi_thread() {
            let adapter = $crate::adapter::Adapter::TokioMultiThread;
            adapter.run(scenario(adapter));
        }

        #[test]
        fn async_std() {
            let adapter = $crate::adapter::Adapter::AsyncStd;
            adapter.run(scenario(adapter));
        }

        #[test]
        fn std_threads() {
            let adapter = $crate::adapter::Adapter::Std;
            adapter.run(scenario(adapter));
        }
    };
    (tests adapter version) => {
        given!(versions tokio_current_thread TokioCurrentThread);
        given!(versions tokio_multi_thread TokioMultiThread);
        given!(versions async_std AsyncStd);
        given!(versions std_threads Std);
    };
    (versions $name:ident $adapter:ident) => {
        mod $name {
            use nats_conn_tests::real_server::Version;

            fn run(version: Version) {
                if !version.is_switched_off() {
                    let adapter = $crate::adapter::Adapter::$adapter;
                    adapter.run(super::scenario(adapter, version));
                }
            }

            #[test]
            fn v2_9() {
                run(Version::V2_9);
            }

            #[test]
            fn v2_15() {
                run(Version::V2_15);
            }
        }
    };
}
