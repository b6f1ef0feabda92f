//! What the proxy does to links.

use super::*;

/// A server that sends back what it reads.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

fn through(plan: LinkPlan) -> (Proxy, TcpStream) {
    let proxy = Proxy::start_with(echo(), move |_| plan.clone()).expect("a port");
    let stream = TcpStream::connect(proxy.address()).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    (proxy, stream)
}

fn cut(when: When, cut: Cut) -> LinkPlan {
    LinkPlan {
        when,
        cut,
        ..LinkPlan::CALM
    }
}

/// What comes back, and the kind of the error behind it.
fn read_to_the_end(mut stream: &TcpStream) -> (usize, Option<ErrorKind>) {
    let (mut count, mut some) = (0, [0; 1000]);
    loop {
        match stream.read(&mut some) {
            Ok(0) => return (count, None),
            Ok(read) => count += read,
            Err(error) => return (count, Some(error.kind())),
        }
    }
}

#[test]
fn a_link_is_cut_in_good_order_behind_exactly_so_many_bytes() {
    for behind in [0, 1, 77] {
        let (proxy, mut stream) = through(cut(When::Behind(Direction::ToClient, behind), Cut::Fin));
        stream.write_all(&[1; 100]).expect("a link");
        assert_eq!(read_to_the_end(&stream), (behind as usize, None));
        assert_eq!(proxy.ends(), BTreeMap::from([("FIN", 1)]));
    }
}

#[test]
fn a_link_is_reset_after_its_time() {
    let plan = cut(When::After(Duration::from_millis(50)), Cut::Reset);
    let (_proxy, stream) = through(plan);
    assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
}

#[test]
fn what_the_server_says_behind_the_end_of_the_client_is_passed_on() {
    let plan = cut(When::Behind(Direction::ToServer, 10), Cut::FinToServer);
    let (_proxy, mut stream) = through(plan);
    stream.write_all(&[1; 100]).expect("a link");
    assert_eq!(read_to_the_end(&stream), (10, None));
}

#[test]
fn behind_the_end_that_the_client_reads_the_server_hears_on() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let server = listener.local_addr().expect("an address");
    let plan = cut(When::Behind(Direction::ToServer, 10), Cut::FinToClient);
    let proxy = Proxy::start_with(server, move |_| plan.clone()).expect("a port");
    let mut stream = TcpStream::connect(proxy.address()).expect("it listens");
    stream.write_all(&[1; 10]).expect("a link");
    let (mut heard, _) = listener.accept().expect("a link");
    heard.read_exact(&mut [0; 10]).expect("what came before");
    assert_eq!(read_to_the_end(&stream), (0, None));
    stream.write_all(&[1; 10]).expect("half a link");
    heard.read_exact(&mut [0; 10]).expect("what came after it");
}

#[test]
fn a_silent_link_says_nothing_until_it_is_calm() {
    let (proxy, mut stream) = through(cut(When::Behind(Direction::ToServer, 0), Cut::Silence));
    stream.write_all(&[1; 100]).expect("a link");
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .expect("a timeout");
    let error = stream.read(&mut [0]).expect_err("silence");
    assert!(is_only_late(&error), "{error}");
    proxy.calm();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
}

#[test]
fn pieces_delays_rates_and_pauses_change_no_byte() {
    let plan = LinkPlan {
        delay: Duration::from_millis(1),
        pieces: Some((3, 2000)),
        rate: Some(100_000),
        pause: Some((Duration::ZERO, Duration::from_millis(30))),
        ..LinkPlan::CALM
    };
    let (mut proxy, mut stream) = through(plan);
    let sent: Vec<u8> = (0..3000).map(|byte| byte as u8).collect();
    stream.write_all(&sent).expect("a link");
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).expect("all of it");
    assert_eq!(back, sent);
    proxy.stop();
    assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
}
