//! The program: some model servers on loopback, which misbehave as they are told.

mod command;
mod fault;
mod flags;
mod kinds;
mod words;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use nats_conn_model_server::tcp_server::TcpCluster;
use nats_conn_model_server::{Order, Violation};

use command::{Command, Outcome};
use flags::{Flags, Wanted};

/// What comes to the program.
enum Input {
    /// A line of standard input.
    Line(String),
    /// Standard input has ended.
    End,
    /// It is time for this command.
    Due(String),
    /// A client did what it must not do.
    Violation(Violation),
    /// A client published a command.
    Order(Order),
}

/// Runs the program with these arguments.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let flags = match flags::parse(arguments) {
        Ok(Wanted::Run(flags)) => flags,
        Ok(Wanted::Help) => return print_all(flags::HELP),
        Ok(Wanted::Version) => {
            return print_all(concat!(
                "nats-conn-model-server ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
        }
        Err(error) => {
            eprintln!("nats-conn-model-server: {error}; see --help");
            return ExitCode::from(2);
        }
    };
    let cluster = match TcpCluster::start_with(flags.settings.clone()) {
        Ok(cluster) => Arc::new(cluster),
        Err(error) => {
            eprintln!("nats-conn-model-server: cannot listen: {error}");
            return ExitCode::FAILURE;
        }
    };
    for place in 0..cluster.servers() {
        cluster
            .server(place)
            .set_transport(|transport| *transport = flags.transport);
        let server = cluster.server(place);
        print(&format!("listening {} {}", server.name(), server.url()));
    }
    let (sender, receiver) = channel();
    begin_inputs(&flags, &cluster, &sender);
    let violated = serve(&flags, &cluster, &receiver);
    if violated && flags.strict {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Starts the threads that wait for something. They end with the process.
fn begin_inputs(flags: &Flags, cluster: &Arc<TcpCluster>, sender: &Sender<Input>) {
    let input = sender.clone();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let _ = input.send(Input::Line(line));
        }
        let _ = input.send(Input::End);
    });
    for (after, command) in flags.at.clone() {
        let input = sender.clone();
        thread::spawn(move || {
            thread::sleep(after);
            let _ = input.send(Input::Due(command));
        });
    }
    let (input, cluster) = (sender.clone(), cluster.clone());
    thread::spawn(move || {
        loop {
            let (violations, orders) = cluster.wait_for_news(Duration::from_secs(3600));
            for violation in violations {
                let _ = input.send(Input::Violation(violation));
            }
            for order in orders {
                let _ = input.send(Input::Order(order));
            }
        }
    });
}

/// Serves until it is told to quit. Whether a client did what no server takes.
fn serve(flags: &Flags, cluster: &TcpCluster, inputs: &Receiver<Input>) -> bool {
    let mut violated = false;
    while let Ok(input) = inputs.recv() {
        let line = match &input {
            Input::End if flags.until_eof => break,
            Input::End => continue,
            Input::Violation(violation) => {
                let tolerated = violation.fault.is_tolerated();
                violated |= !tolerated;
                print(&format!(
                    "{} {violation}",
                    if tolerated { "odd" } else { "violation" }
                ));
                continue;
            }
            Input::Line(line) | Input::Due(line) => line.trim(),
            Input::Order(order) => order.text.trim(),
        };
        if line.is_empty() {
            continue;
        }
        let outcome = Command::parse(line).and_then(|command| command.perform(cluster, &flags.settings));
        let (answer, quit) = match outcome {
            Ok(Outcome::Done) => (format!("ok {line}"), false),
            Ok(Outcome::Says(text)) => (text, false),
            Ok(Outcome::Quit) => (format!("ok {line}"), true),
            Err(error) => (format!("error {error}"), false),
        };
        print(&answer);
        if let Input::Order(Order {
            reply: Some(reply), ..
        }) = &input
        {
            cluster.publish(reply, answer.as_bytes());
        }
        if quit {
            // What was answered is still to leave.
            thread::sleep(Duration::from_millis(50));
            break;
        }
    }
    violated
}

/// A line that leaves at once. Nobody has to read it.
fn print(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn print_all(text: &str) -> ExitCode {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}
