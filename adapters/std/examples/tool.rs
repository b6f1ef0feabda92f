//! Publishes, asks and listens: `tool` alone says how.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use nats_conn_std::{ConnectOptions, Headers, Message};

const USAGE: &str = "usage: tool [-s URL] pub SUBJECT PAYLOAD [NAME:VALUE]...
       tool [-s URL] req SUBJECT PAYLOAD [NAME:VALUE]...
       tool [-s URL] sub FILTER [COUNT]";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (url, command) = match &arguments[..] {
        ["-s", url, command @ ..] => (*url, command),
        command => ("nats://127.0.0.1:4222", command),
    };
    match command {
        ["pub", subject, payload, headers @ ..] => publish(url, subject, payload, headers)?,
        ["req", subject, payload, headers @ ..] => request(url, subject, payload, headers)?,
        ["sub", filter] => subscribe(url, filter, None)?,
        ["sub", filter, count] => subscribe(url, filter, Some(count.parse()?))?,
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn publish(url: &str, subject: &str, payload: &str, headers: &[&str]) -> Result<(), Box<dyn Error>> {
    let headers = parse(headers)?;
    let client = nats_conn_std::connect(url)?;
    client.publish(subject, payload).headers(&headers).wait()?;
    client.flush().wait()?;
    client.close().wait();
    Ok(())
}

fn request(url: &str, subject: &str, payload: &str, headers: &[&str]) -> Result<(), Box<dyn Error>> {
    let headers = parse(headers)?;
    let client = nats_conn_std::connect(url)?;
    let request = client.request(subject, payload).headers(&headers);
    print(&request.timeout(Duration::from_secs(2)).wait()?)
}

fn subscribe(url: &str, filter: &str, count: Option<u64>) -> Result<(), Box<dyn Error>> {
    let (client, events) = ConnectOptions::from_url(url)?.retry_initial(true).start()?;
    let log = std::thread::spawn(move || events.for_each(|event| eprintln!("{event}")));
    let mut messages = client.subscribe(filter)?;
    if let Some(count) = count {
        messages.unsubscribe_after(count)?;
    }
    for message in messages.iter() {
        print!("{}: ", message.subject());
        print(&message)?;
    }
    client.close().wait();
    log.join().map_err(|_| "the events could not be printed")?;
    Ok(())
}

fn print(message: &Message) -> Result<(), Box<dyn Error>> {
    println!("{}", message.text());
    for (name, value) in message.headers()?.unwrap_or_default().iter() {
        println!("  {name}: {}", String::from_utf8_lossy(value));
    }
    Ok(())
}

fn parse(texts: &[&str]) -> Result<Headers, Box<dyn Error>> {
    let pairs = texts.iter().map(|text| text.split_once(':').ok_or(USAGE));
    Ok(Headers::from_pairs(pairs.collect::<Result<Vec<_>, _>>()?)?)
}
