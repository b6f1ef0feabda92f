//! A page on which a person walks through the states of a world.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use nats_conn_tests::explore::{Scope, walk};

const PAGE: &str = include_str!("page.html");

/// Serves the page until the process is ended.
///
/// # Errors
/// The port is taken.
pub(super) fn serve(port: u16, worlds: &[(String, Scope)]) -> std::io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        // Somebody who goes away is no reason to stop.
        if let Err(error) = stream.and_then(|stream| answer(stream, worlds)) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, worlds: &[(String, Scope)]) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(&stream);
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path.split('?').next().unwrap_or_default() {
        "/" => ("text/html; charset=utf-8", PAGE.to_owned()),
        "/worlds" => ("application/json", names(worlds)),
        "/walk" => ("application/json", life(path, worlds)),
        _ => ("text/plain", String::from("there is nothing here")),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

fn names(worlds: &[(String, Scope)]) -> String {
    serde_json::json!(worlds.iter().map(|(name, _)| name).collect::<Vec<_>>()).to_string()
}

/// `/walk?world=NAME&steps=0,3,1`
fn life(path: &str, worlds: &[(String, Scope)]) -> String {
    let value = |name: &str| {
        let query = path.split('?').nth(1).unwrap_or_default();
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
        pair.unwrap_or_default().to_owned()
    };
    let (name, steps) = (value("world="), value("steps="));
    let found = worlds.iter().find(|(world, _)| *world == name).or(worlds.first());
    let steps: Vec<usize> = steps.split(',').filter_map(|step| step.parse().ok()).collect();
    let life = found.map(|(_, scope)| walk(&Arc::new(scope.clone()), &steps));
    life.unwrap_or_default().to_string()
}
