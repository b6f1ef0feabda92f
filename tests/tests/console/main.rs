//! The console of every adapter as a process of its own, from outside: flags, commands, lines and exit statuses, and
//! what a server sees of it.
//!
//! A scenario is a function of an [`Adapter`](process::Adapter), written once and run for every adapter. It uses
//! [`Fake`](fake::Fake) servers, whose every byte it writes itself, or to real ones. Time is real here, so that
//! scenarios set short timers, wait for lines rather than sleep, and compare times only with lower limits that are
//! exact and upper limits that are generous.
//!
//! Everything a console prints is checked with [`lines`]: the fields of each line, their types, and the grammar of the
//! life of a connection.
#![cfg(unix)]

/// Makes a test for each adapter out of a function of an [`Adapter`](process::Adapter), and with a second argument
/// one for each adapter and server version.
macro_rules! consoles {
    () => {};
    ($(#[$meta:meta])* fn $name:ident($adapter:ident) $body:block $($rest:tt)*) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn scenario($adapter: $crate::process::Adapter) $body

            $crate::process::adapters!(scenario);
        }
        consoles! { $($rest)* }
    };
    ($(#[$meta:meta])* fn $name:ident($adapter:ident, $version:ident) $body:block $($rest:tt)*) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn both($adapter: $crate::process::Adapter, $version: nats_conn_tests::real_server::Version) $body

            fn scenario(adapter: $crate::process::Adapter) {
                nats_conn_tests::real_server::for_each_version(|version| both(adapter, version));
            }

            $crate::process::adapters!(scenario);
        }
        consoles! { $($rest)* }
    };
}

mod fake;
mod lines;
mod process;
mod scene;
mod tape;

mod commands;
mod drain;
mod ends;
mod examples;
mod flags;
mod handshake;
mod lame_duck;
mod liveness;
mod pool;
mod publishing;
mod real;
mod real_reconnects;
mod recipes;
mod reconnect;
mod recording;
mod requests;
mod subscriptions;
mod text;
