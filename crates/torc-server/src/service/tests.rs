//! The service plane as a whole: a real executor, real sockets on the loopback interface.

use super::metrics::{CoreMetrics, monotonic_ms};
use super::open::CONNECTIONS_MAX;
use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What the tests of this run are for (`TORC_DENY_URING`).
fn backend() -> Backend {
    if std::env::var_os("TORC_DENY_URING").is_some() { Backend::Epoll } else { Backend::Uring }
}

fn start() -> (Service, Arc<[CoreMetrics]>) {
    let cores = CoreMetrics::for_cores(2);
    cores.iter().for_each(|core| core.turned_at_ms.set(monotonic_ms()));
    (Service::start(&[LOOPBACK], Admin::default(), sources(&cores), backend()).expect("a service"), cores)
}

fn sources(cores: &Arc<[CoreMetrics]>) -> Sources {
    Sources { cores: Arc::clone(cores), log: Arc::default(), tls: None }
}

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.addresses()[0]).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    stream
}

/// Sends bytes and reads until the server closes.
fn exchange(service: &Service, request: &[u8]) -> String {
    let mut stream = connect(service);
    stream.write_all(request).expect("the request is taken");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("an answer");
    response
}

#[test]
fn serves_what_the_cores_count() {
    let (service, cores) = start();
    cores[1].commands.add(7);
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = exchange(&service, request);
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("torc_commands_total{core=\"1\"} 7\n"), "{response}");
    cores[1].commands.add(1);
    assert!(exchange(&service, request).contains("torc_commands_total{core=\"1\"} 8\n"));
    service.stop().expect("a clean stop");
}

#[test]
fn keeps_connections_open_and_takes_pipelines_and_pieces() {
    let (service, _) = start();
    let mut stream = connect(&service);
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for byte in request {
        stream.write_all(&[*byte]).expect("a byte is taken");
    }
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).expect("an answer");
    assert!(answer[..length].ends_with(b"\r\n\r\nok\n"));
    stream.write_all(&request.repeat(3)).expect("three requests");
    let mut rest = vec![0; length * 3];
    stream.read_exact(&mut rest).expect("three answers");
    assert_eq!(rest, answer[..length].repeat(3));
    service.stop().expect("a clean stop");
}

#[test]
fn bad_input_is_refused_and_hurts_nobody() {
    let (service, _) = start();
    assert!(exchange(&service, b"*1\r\n$4\r\nPING\r\n").starts_with("HTTP/1.1 400 "));
    let endless = [b"GET /healthz HTTP/1.1\r\nX: ".as_slice(), &[b'y'; 20_000]].concat();
    assert!(exchange(&service, &endless).starts_with("HTTP/1.1 431 "));
    drop(connect(&service));
    let half = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stream = connect(&service);
    stream.write_all(half).expect("the request is taken");
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("an answer");
    assert!(response.ends_with("ok\n"));
    service.stop().expect("a clean stop");
}

#[test]
fn new_connections_replace_those_that_ask_nothing() {
    let (service, _) = start();
    let request = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let ask = |stream: &mut TcpStream| {
        let mut answer = [0; 512];
        stream.write_all(request).is_ok() && stream.read(&mut answer).is_ok_and(|count| count > 0)
    };
    let mut regular = connect(&service);
    assert!(ask(&mut regular));
    let mut silent: Vec<TcpStream> = (0..3 * CONNECTIONS_MAX).map(|_| connect(&service)).collect();
    silent.iter_mut().for_each(|stream| stream.write_all(b"GET /hea").expect("the piece is taken"));
    assert!(ask(&mut connect(&service)), "a new one is served");
    assert!(ask(&mut regular), "one that was answered before stays");
    let ended = silent.iter().take(CONNECTIONS_MAX).filter(|stream| {
        let found = (&mut &**stream).read(&mut [0; 16]);
        !found.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    });
    assert_eq!(ended.count(), CONNECTIONS_MAX, "the oldest are closed");
    assert!(ask(silent.last_mut().expect("there are some")), "the newest is not");
    service.stop().expect("a clean stop");
}

#[test]
fn stops_soon_with_connections_open_and_frees_the_port() {
    let (service, cores) = start();
    let _idle = connect(&service);
    let mut half = connect(&service);
    half.write_all(b"GET /hea").expect("the piece is taken");
    let address = service.addresses()[0];
    let started = Instant::now();
    service.stop().expect("a clean stop");
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(half.read(&mut [0; 16]).unwrap_or(0), 0, "the connection is closed");
    let again = Service::start(&[address], Admin::default(), sources(&cores), backend()).expect("the port is free");
    again.stop().expect("a clean stop");
}

#[test]
fn uses_next_to_no_time_when_idle() {
    let (service, _) = start();
    let _idle = connect(&service);
    std::thread::sleep(Duration::from_millis(200));
    let before = service_thread_ticks();
    std::thread::sleep(Duration::from_secs(1));
    // A tick is 10 ms: a thread that never parks would use a hundred of them.
    assert!(service_thread_ticks() - before <= 5);
    service.stop().expect("a clean stop");
}

/// The CPU time of all threads of this process that run a service plane, in clock ticks.
fn service_thread_ticks() -> u64 {
    let mut ticks = 0;
    for thread in std::fs::read_dir("/proc/self/task").expect("a list of threads").flatten() {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let Some((name, fields)) = stat.rsplit_once(") ") else {
            continue;
        };
        if name.contains("torc-service") {
            let fields: Vec<&str> = fields.split(' ').collect();
            ticks += fields[11].parse::<u64>().unwrap_or(0) + fields[12].parse::<u64>().unwrap_or(0);
        }
    }
    ticks
}

#[test]
fn an_address_in_use_is_named() {
    let (service, cores) = start();
    let address = service.addresses()[0];
    let error =
        Service::start(&[address], Admin::default(), sources(&cores), backend()).expect_err("the port is taken");
    assert!(error.to_string().starts_with(&format!("admin address {address}: ")), "{error}");
    service.stop().expect("a clean stop");
}

#[test]
fn starts_without_any_address() {
    let service =
        Service::start(&[], Admin::default(), sources(&CoreMetrics::for_cores(1)), backend()).expect("a service");
    assert!(service.addresses().is_empty());
    service.stop().expect("a clean stop");
}

#[test]
fn addresses_are_those_of_admin_bind() {
    let config = |words: &[&str], admin_port| Config {
        bind: vec!["0.0.0.0".to_owned()],
        admin_bind: words.iter().map(|word| (*word).to_owned()).collect(),
        admin_port,
        ..Config::default()
    };
    let addresses = |words: &[&str], port| admin_addresses(&config(words, port));
    assert!(addresses(&["127.0.0.1"], 0).expect("none are asked for").is_empty());
    let found = addresses(&["127.0.0.1", "-192.0.2.77", "*"], 9000).expect("good addresses");
    assert_eq!(found, ["127.0.0.1:9000", "0.0.0.0:9000"].map(|text| text.parse().expect("an address")));
    let error = addresses(&["no host.invalid"], 9000).expect_err("no address");
    assert!(error.to_string().starts_with("admin-bind: 'no host.invalid': "), "{error}");
    let default = admin_addresses(&Config { admin_port: 9000, bind: vec!["*".to_owned()], ..Config::default() });
    assert!(default.expect("addresses").iter().all(|address| address.ip().is_loopback()));
    assert_eq!(admin_names(&config(&["127.0.0.1", "-Torc.Internal", "*", "::*", "::1"], 1)), ["torc.internal"]);
}

#[test]
fn the_wildcards_of_both_families_can_share_a_port() {
    let Ok(first) = listen(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)) else {
        return; // This machine has no IPv6.
    };
    let port = first.local_addr().expect("an address").port();
    listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).expect("the other family is free");
}
