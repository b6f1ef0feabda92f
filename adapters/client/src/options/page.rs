//! A list of all options, for the pages of adapters: their `ConnectOptions` is a name for the type of this crate, and a page
//! of a name shows no methods where nothing is run to fetch them.

/// The list, as a text for `#[doc = ..]`. Held complete by `tests/tests/coming_from.rs`.
#[doc(hidden)]
#[macro_export]
macro_rules! options_page {
    () => {
        r"# All options

Each takes the options and gives them back, so that they can be written one after another.

* The servers: [`from_url`](nats_conn_client::ConnectOptions::from_url), [`new`](nats_conn_client::ConnectOptions::new),
  [`randomize`](nats_conn_client::ConnectOptions::randomize),
  [`ignore_discovered`](nats_conn_client::ConnectOptions::ignore_discovered),
  [`server_selector`](nats_conn_client::ConnectOptions::server_selector),
  [`resolver`](nats_conn_client::ConnectOptions::resolver),
  [`local_address`](nats_conn_client::ConnectOptions::local_address)
* One attempt: [`connect_timeout`](nats_conn_client::ConnectOptions::connect_timeout),
  [`retry_initial`](nats_conn_client::ConnectOptions::retry_initial)
* The next attempt: [`reconnect`](nats_conn_client::ConnectOptions::reconnect),
  [`max_reconnects`](nats_conn_client::ConnectOptions::max_reconnects),
  [`backoff`](nats_conn_client::ConnectOptions::backoff),
  [`reconnect_delay`](nats_conn_client::ConnectOptions::reconnect_delay),
  [`min_stable`](nats_conn_client::ConnectOptions::min_stable),
  [`lame_duck`](nats_conn_client::ConnectOptions::lame_duck)
* Whether the server is alive: [`ping_interval`](nats_conn_client::ConnectOptions::ping_interval),
  [`max_pings_out`](nats_conn_client::ConnectOptions::max_pings_out)
* Who we are: [`user_password`](nats_conn_client::ConnectOptions::user_password),
  [`token`](nats_conn_client::ConnectOptions::token), `nkey_seed`, `nkey_seed_file`, `creds` and `creds_file` with the feature
  `nkeys`, [`credentials`](nats_conn_client::ConnectOptions::credentials),
  [`credentials_callback`](nats_conn_client::ConnectOptions::credentials_callback),
  [`cleartext_credentials`](nats_conn_client::ConnectOptions::cleartext_credentials),
  [`auth_strike_gap`](nats_conn_client::ConnectOptions::auth_strike_gap),
  [`ignore_auth_strikes`](nats_conn_client::ConnectOptions::ignore_auth_strikes)
* TLS: [`tls`](nats_conn_client::ConnectOptions::tls), [`tls_required`](nats_conn_client::ConnectOptions::tls_required),
  [`tls_first`](nats_conn_client::ConnectOptions::tls_first)
* What the server is told: [`name`](nats_conn_client::ConnectOptions::name),
  [`library`](nats_conn_client::ConnectOptions::library), [`verbose`](nats_conn_client::ConnectOptions::verbose),
  [`pedantic`](nats_conn_client::ConnectOptions::pedantic), [`echo`](nats_conn_client::ConnectOptions::echo)
* Publishing: [`delivery`](nats_conn_client::ConnectOptions::delivery),
  [`confirm_after`](nats_conn_client::ConnectOptions::confirm_after),
  [`send_buffer`](nats_conn_client::ConnectOptions::send_buffer),
  [`when_full`](nats_conn_client::ConnectOptions::when_full),
  [`publish_timeout`](nats_conn_client::ConnectOptions::publish_timeout),
  [`max_control_line`](nats_conn_client::ConnectOptions::max_control_line)
* Requests: [`request_timeout`](nats_conn_client::ConnectOptions::request_timeout),
  [`requests_survive`](nats_conn_client::ConnectOptions::requests_survive),
  [`inbox_prefix`](nats_conn_client::ConnectOptions::inbox_prefix)
* Subscriptions: [`mailbox`](nats_conn_client::ConnectOptions::mailbox),
  [`patience`](nats_conn_client::ConnectOptions::patience),
  [`read_buffer`](nats_conn_client::ConnectOptions::read_buffer), [`limits`](nats_conn_client::ConnectOptions::limits)
* The end: [`drain_timeout`](nats_conn_client::ConnectOptions::drain_timeout),
  [`drain_hand`](nats_conn_client::ConnectOptions::drain_hand),
  [`drain_patience`](nats_conn_client::ConnectOptions::drain_patience),
  [`close_timeout`](nats_conn_client::ConnectOptions::close_timeout)
* Looking on: [`event_capacity`](nats_conn_client::ConnectOptions::event_capacity),
  [`record`](nats_conn_client::ConnectOptions::record), [`record_with`](nats_conn_client::ConnectOptions::record_with)
* The rest: [`adapter`](nats_conn_client::ConnectOptions::adapter),
  [`with_adapter`](nats_conn_client::ConnectOptions::with_adapter),
  [`config`](nats_conn_client::ConnectOptions::config), [`config_mut`](nats_conn_client::ConnectOptions::config_mut),
  [`seed`](nats_conn_client::ConnectOptions::seed), [`check`](nats_conn_client::ConnectOptions::check)
"
    };
}
