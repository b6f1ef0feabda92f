//! A server that the test controls: it greets, reads, answers and cuts only when it is asked to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A subscription to anything but an inbox gets one message, a request one reply, a PING its PONG: all of it is held
/// back until it serves.
pub(super) struct Puppet {
    url: String,
    strings: Arc<Strings>,
}

struct Strings {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The fields of INFO.
    info: &'static str,
    /// Links are greeted.
    greets: bool,
    /// Links are read after the handshake.
    reads: bool,
    /// What is asked for is answered.
    serves: bool,
    stopped: bool,
    links: BTreeMap<usize, TcpStream>,
    /// Every line that was read after a handshake.
    lines: Vec<String>,
    /// The number of the inbox.
    inbox: String,
    /// Answers that are held back, and for which link.
    held: Vec<(usize, String)>,
}

impl Puppet {
    /// Whether it greets, and whether it reads after the handshake.
    pub(super) fn start(info: &'static str, greets: bool, reads: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        // Little is under way at once: a publisher that is to wait need not publish much.
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).expect("a socket");
        let url = format!("nats://{}", listener.local_addr().expect("bound"));
        let state = State {
            info,
            greets,
            reads,
            serves: false,
            stopped: false,
            links: BTreeMap::new(),
            lines: Vec::new(),
            inbox: String::new(),
            held: Vec::new(),
        };
        let strings = Arc::new(Strings {
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let serving = strings.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let kept = stream.try_clone().expect("a socket");
                let mut state = serving.lock();
                if state.stopped {
                    return;
                }
                state.links.insert(number, kept);
                drop(state);
                let strings = serving.clone();
                // A link that ends in the middle of something is not counted any more.
                std::thread::spawn(move || strings.serve(number, stream));
            }
        });
        Self { url, strings }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many links are open.
    pub(super) fn links(&self) -> usize {
        self.strings.lock().links.len()
    }

    /// How many lines begin so.
    pub(super) fn count(&self, line: &str) -> usize {
        let state = self.strings.lock();
        state.lines.iter().filter(|read| read.starts_with(line)).count()
    }

    /// The subjects that were subscribed to.
    pub(super) fn subscribed(&self) -> Vec<String> {
        let state = self.strings.lock();
        let subjects = state.lines.iter().filter_map(|line| line.strip_prefix("SUB "));
        subjects
            .filter_map(|line| line.split(' ').next().map(String::from))
            .collect()
    }

    /// From now on it does everything.
    pub(super) fn serve(&self) {
        let mut state = self.strings.lock();
        (state.greets, state.reads, state.serves) = (true, true, true);
        for (number, answer) in std::mem::take(&mut state.held) {
            state.write(number, &answer);
        }
        drop(state);
        self.strings.changed.notify_all();
    }

    /// Links to come are not greeted.
    pub(super) fn fall_silent(&self) {
        self.strings.lock().greets = false;
    }

    /// Links to come are greeted with these fields.
    pub(super) fn announce(&self, info: &'static str) {
        self.strings.lock().info = info;
    }

    /// Ends all links.
    pub(super) fn cut(&self) {
        for (_, link) in std::mem::take(&mut self.strings.lock().links) {
            let _ = link.shutdown(Shutdown::Both);
        }
        self.strings.changed.notify_all();
    }

    /// Sends this on all links.
    pub(super) fn say(&self, text: &str) {
        let state = self.strings.lock();
        state.links.keys().for_each(|number| state.write(*number, text));
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.strings.lock().stopped = true;
        self.cut();
        // `accept` cannot be cancelled; a link of our own wakes it.
        let _ = TcpStream::connect(self.url.trim_start_matches("nats://"));
    }
}

impl Strings {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Waits for this, or until the link is gone: then `None`.
    fn wait(&self, number: usize, ready: impl Fn(&State) -> bool) -> Option<MutexGuard<'_, State>> {
        let waits = |state: &mut State| state.links.contains_key(&number) && !ready(state);
        let state = self.changed.wait_while(self.lock(), waits).expect("no panic");
        state.links.contains_key(&number).then_some(state)
    }

    /// Serves a link to its end.
    fn serve(&self, number: usize, mut stream: TcpStream) -> Option<()> {
        let info = self.wait(number, |state| state.greets)?.info;
        stream.write_all(format!("INFO {{{info}}}\r\n").as_bytes()).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        while line(&mut reader)? != "PING" {}
        stream.write_all(b"PONG\r\n").ok()?;
        loop {
            drop(self.wait(number, |state| state.reads)?);
            let line = line(&mut reader)?;
            let publishes = line.starts_with("PUB ") || line.starts_with("HPUB ");
            if let Some(size) = line.rsplit(' ').next().filter(|_| publishes) {
                let mut payload = vec![0; size.parse::<usize>().ok()? + 2];
                reader.read_exact(&mut payload).ok()?;
            }
            let mut state = self.lock();
            if let Some(answer) = state.answer(&line) {
                if state.serves {
                    state.write(number, &answer);
                } else {
                    state.held.push((number, answer));
                }
            }
            state.lines.push(line);
        }
    }
}

impl State {
    fn write(&self, number: usize, text: &str) {
        if let Some(mut link) = self.links.get(&number) {
            // Nothing is sent on a link that has ended.
            let _ = link.write_all(text.as_bytes());
        }
    }

    fn answer(&mut self, line: &str) -> Option<String> {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields[..] {
            ["PING"] => Some("PONG\r\n".into()),
            ["SUB", subject, number] if subject.starts_with("_INBOX.") => {
                self.inbox = number.into();
                None
            }
            ["SUB", subject, number] => Some(format!("MSG {subject} {number} 1\r\nx\r\n")),
            ["PUB", _, reply, _] | ["HPUB", _, reply, _, _] => {
                Some(format!("MSG {reply} {} 1\r\nx\r\n", self.inbox))
            }
            _ => None,
        }
    }
}

/// The next line without its end; `None` where no whole one comes.
fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.strip_suffix("\r\n").map(String::from)
}
