//! Over real sockets: what the model sends arrives, and the controls of a server work.

use std::io::{BufRead, BufReader};

use super::*;

const CONNECT: &[u8] = br#"CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"lang":"rust","version":"1","protocol":1,"echo":true,"headers":true,"no_responders":true}
PING
"#;

struct Peer {
    reader: BufReader<TcpStream>,
}

impl Peer {
    fn dial(server: &TcpServer) -> io::Result<Self> {
        let stream = TcpStream::connect(server.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// Dials and does the handshake, up to the INFO after PONG.
    fn ready(server: &TcpServer) -> Self {
        let mut peer = Self::dial(server).expect("it listens");
        assert!(peer.line().starts_with("INFO {"));
        peer.say(&String::from_utf8_lossy(CONNECT).replace('\n', "\r\n"));
        assert_eq!(peer.line(), "PONG\r\n");
        assert!(peer.line().starts_with("INFO {"));
        peer
    }

    fn say(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).expect("written");
    }

    /// The next line; empty at the end of the stream, however it came.
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(_) => line,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => String::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_message_goes_from_one_server_to_a_client_of_another() {
    let cluster = TcpCluster::start(2).expect("ports");
    let (mut ann, mut bob) = (Peer::ready(&cluster.server(0)), Peer::ready(&cluster.server(1)));
    bob.say("SUB a 1\r\nPING\r\n");
    assert_eq!(bob.line(), "PONG\r\n");
    ann.say("PUB a 2\r\nhi\r\n");
    assert_eq!(
        (bob.line(), bob.line()),
        ("MSG a 1 2\r\n".into(), "hi\r\n".into())
    );
    assert_eq!(cluster.server(0).connections(), 1);
    assert_eq!(cluster.violations(), []);
}

#[test]
fn a_crash_ends_every_link_and_a_restart_listens_on_the_same_port() {
    let cluster = TcpCluster::start(1).expect("a port");
    let server = cluster.server(0);
    let mut ann = Peer::ready(&server);
    server.crash();
    assert_eq!(ann.line(), "");
    assert!(Peer::dial(&server).is_err());
    for _ in 0..20 {
        server.restart().expect("the port is free again");
        Peer::ready(&server);
        server.crash();
    }
    assert_eq!(cluster.logs().len(), 21);
}

#[test]
fn a_lame_duck_sends_its_clients_the_other_servers_and_closes_in_order() {
    let cluster = TcpCluster::start(2).expect("ports");
    let mut ann = Peer::ready(&cluster.server(0));
    cluster.server(0).lame_duck(Duration::from_millis(20));
    let info = ann.line();
    let other = format!(r#""connect_urls":["{}"]"#, cluster.server(1).address());
    assert!(info.contains(r#""ldm":true"#) && info.contains(&other), "{info}");
    assert!(Peer::dial(&cluster.server(0)).is_err());
    assert_eq!(ann.line(), "");
    cluster.server(0).restart().expect("the port is free again");
    Peer::ready(&cluster.server(0));
}

#[test]
fn refused_clients_learn_why_and_are_accepted_again_later() {
    let cluster = TcpCluster::start(1).expect("a port");
    let server = cluster.server(0);
    let mut ann = Peer::ready(&server);
    server.refuse_auth(true);
    server.expel("User Authentication Expired");
    assert_eq!(
        (ann.line().as_str(), ann.line().as_str()),
        ("-ERR 'User Authentication Expired'\r\n", "")
    );
    let mut ann = Peer::dial(&server).expect("it listens");
    ann.line();
    ann.say(&String::from_utf8_lossy(CONNECT).replace('\n', "\r\n"));
    assert_eq!(
        (ann.line().as_str(), ann.line().as_str()),
        ("-ERR 'Authorization Violation'\r\n", "")
    );
    server.refuse_auth(false);
    Peer::ready(&server);
}

#[test]
fn dropping_the_cluster_frees_its_ports() {
    let cluster = TcpCluster::start(1).expect("a port");
    let port = cluster.server(0).port();
    drop(cluster);
    let again = TcpCluster::start_on(&[port]).expect("the port is free again");
    Peer::ready(&again.server(0));
}
