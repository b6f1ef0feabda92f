//! Asks and prints the reply: `request SUBJECT PAYLOAD [URL]`. Try it with the example `reply`.

use std::time::Duration;

use nats_conn_std::{Error, Publish, RequestError, Subject};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(subject), Some(payload)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: request SUBJECT PAYLOAD [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_std::connect(&url)?;
    let subject = Subject::new(&subject)?;
    let request = Publish::new(&subject, payload.as_str());
    match client.request_timeout(request, Duration::from_secs(2)) {
        Ok(reply) => println!("{}", String::from_utf8_lossy(reply.payload())),
        Err(RequestError::NoResponders { .. }) => println!("nobody listens on {subject}"),
        Err(error) => return Err(error.into()),
    }
    client.close();
    Ok(())
}
