//! The admin interface: `GET /metrics` for Prometheus and `GET /healthz`, over HTTP/1.1.
//!
//! Answering is a pure function from the bytes received so far to what to send ([`answer`]); around it,
//! [`serve_connection`] reads and writes. Requests have no bodies here: one that announces a body is answered
//! and the connection closed, so that the body can't be taken for a request. Everything is bounded: the head of a
//! request, the time to send one, the time to take an answer, and the number of connections.
//!
//! A request must be for this server by an address, `localhost` or a name in `admin-bind`. A web page may have a browser ask a
//! name of its own that resolves to an address of this machine, and read the answer; it cannot have it ask an address.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures_rustls::TlsAcceptor;

use super::executor::Executor;
use super::metrics::Exporter;
use crate::tls::Tls;

/// The longest request line and headers, in bytes.
const HEAD_LEN_MAX: usize = 8 << 10;
/// As many headers as a request may have.
const HEADERS_MAX: usize = 64;
/// How long a client may take to send a request, or do nothing between two, and to take an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is served, and under which names.
#[derive(Debug)]
pub(super) struct Site {
    /// What the pages show.
    pub exporter: Exporter,
    /// The names of this server beside its addresses and `localhost`, in lower case.
    pub names: Vec<String>,
    /// What connections are encrypted with, if they are.
    pub tls: Option<Arc<Tls>>,
}

impl Site {
    /// Whether a request for this host is for this server: an address, whichever, or one of its names.
    fn serves(&self, host: &str) -> bool {
        let Some(name) = host_name(host) else { return false };
        let name = name.to_ascii_lowercase();
        let is_address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<IpAddr>().is_ok(),
        };
        is_address || name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }
}

/// The name or address of `name`, `name:port`, `[address]` or `[address]:port`.
fn host_name(host: &str) -> Option<&str> {
    let name_end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(name_end);
    let is_port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|it| it.is_ascii_digit()));
    is_port.then_some(name)
}

/// Answers the requests of one connection until it is closed, by either side. `on_answered` is called when an answer is sent.
pub(super) async fn serve_connection<E: Executor>(
    stream: E::Stream,
    site: &Site,
    on_answered: impl FnMut(),
) -> io::Result<()> {
    let Some(tls) = &site.tls else { return serve::<E>(stream, site, on_answered).await };
    let acceptor = TlsAcceptor::from(tls.server_config());
    let stream = with_timeout::<E, _>(acceptor.accept(stream)).await?;
    serve::<E>(stream, site, on_answered).await
}

async fn serve<E: Executor>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    site: &Site,
    mut on_answered: impl FnMut(),
) -> io::Result<()> {
    let mut received = Vec::new();
    while let Some(answer) = with_timeout::<E, _>(next_answer(&mut stream, &mut received, site)).await? {
        with_timeout::<E, _>(stream.write_all(&answer.response)).await?;
        on_answered();
        if !answer.is_kept_open {
            return with_timeout::<E, _>(close(&mut stream)).await;
        }
        received.drain(..answer.head_len);
    }
    Ok(())
}

/// Reads until there is a whole request, which stays in `received`. `None` when the client has closed its side.
async fn next_answer(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
    site: &Site,
) -> io::Result<Option<Answer>> {
    let mut piece = [0; 1024];
    loop {
        if let Some(answer) = answer(received, site) {
            return Ok(Some(answer));
        }
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            count => received.extend_from_slice(&piece[..count]),
        }
    }
}

/// Ends the connection so that the answer arrives: closing while unread bytes wait would reset it.
async fn close(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    const DRAINED_MAX: usize = 64 << 10;
    stream.close().await?;
    let mut received = [0; 1024];
    let mut drained = 0;
    while drained < DRAINED_MAX {
        match stream.read(&mut received).await? {
            0 => break,
            count => drained += count,
        }
    }
    Ok(())
}

async fn with_timeout<E: Executor, T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        E::sleep(TIMEOUT).await;
        Err(io::Error::from(io::ErrorKind::TimedOut))
    };
    futures_lite::future::or(work, late).await
}

/// What to send for a request.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    response: Vec<u8>,
    /// How many of the bytes received belong to the request.
    head_len: usize,
    is_kept_open: bool,
}

/// The answer to the first request in `received`; `None` while it is not complete.
fn answer(received: &[u8], site: &Site) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(received);
    let is_too_long = match parsed {
        Ok(httparse::Status::Complete(head_len)) => head_len > HEAD_LEN_MAX,
        _ => received.len() > HEAD_LEN_MAX,
    };
    match parsed {
        _ if is_too_long => Some(refusal(Status::HEAD_TOO_LONG)),
        Err(httparse::Error::TooManyHeaders) => Some(refusal(Status::HEAD_TOO_LONG)),
        Err(_) => Some(refusal(Status::BAD_REQUEST)),
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(head_len)) => {
            let Some(connection) = Connection::read(&request) else {
                return Some(refusal(Status::BAD_REQUEST));
            };
            let response = respond(&request, &connection, site);
            Some(Answer { response, head_len, is_kept_open: connection.is_kept_open })
        }
    }
}

/// What a request says about its connection.
struct Connection<'a> {
    is_kept_open: bool,
    host: Option<&'a str>,
}

impl<'a> Connection<'a> {
    /// `None` if the headers contradict HTTP.
    fn read(request: &httparse::Request<'_, 'a>) -> Option<Connection<'a>> {
        let is_newer = request.version == Some(1);
        let mut is_kept_open = is_newer;
        let mut host = None;
        let mut has_body = false;
        for header in request.headers.iter() {
            let value = str::from_utf8(header.value).ok()?.trim();
            let has_word = |word: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
            match header.name.to_ascii_lowercase().as_str() {
                "host" if host.is_some() => return None,
                "host" => host = Some(value),
                "connection" if has_word("close") => is_kept_open = false,
                "connection" if has_word("keep-alive") => is_kept_open = true,
                "content-length" => has_body |= value.parse::<u64>().ok()? > 0,
                "transfer-encoding" => has_body = true,
                _ => {}
            }
        }
        if is_newer && host.is_none() {
            return None;
        }
        Some(Connection { is_kept_open: is_kept_open && !has_body, host })
    }
}

fn respond(request: &httparse::Request<'_, '_>, connection: &Connection<'_>, site: &Site) -> Vec<u8> {
    let target = request.path.unwrap_or_default();
    // A client that takes this server for a proxy names the host in the request line, which then counts.
    let (host, target) = match target.strip_prefix("http://") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => (connection.host.unwrap_or_default(), target),
    };
    let path = target.split('?').next().unwrap_or_default();
    let method = request.method.unwrap_or_default();
    // HTTP/1.0 knows no hosts, and no browser speaks it.
    let is_for_us = site.serves(host) || (connection.host.is_none() && host.is_empty());
    let (status, content_type, body) = match path {
        _ if !is_for_us => {
            let help = "this server is not known by that name; use its address, or give admin-bind the name\n";
            (Status::MISDIRECTED, TEXT, help.to_owned())
        }
        "/metrics" | "/healthz" if !matches!(method, "GET" | "HEAD") => {
            (Status::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n".to_owned())
        }
        "/metrics" => (Status::OK, Exporter::CONTENT_TYPE, site.exporter.render()),
        "/healthz" => match site.exporter.health() {
            Ok(()) => (Status::OK, TEXT, "ok\n".to_owned()),
            Err(problem) => (Status::UNAVAILABLE, TEXT, format!("{problem}\n")),
        },
        _ => (Status::NOT_FOUND, TEXT, "not found\n".to_owned()),
    };
    render(status, content_type, &body, method != "HEAD", connection.is_kept_open)
}

/// The answer to what cannot be understood: nothing after it can be, either.
fn refusal(status: Status) -> Answer {
    let response = render(status, TEXT, &format!("{}\n", status.reason.to_ascii_lowercase()), true, false);
    Answer { response, head_len: 0, is_kept_open: false }
}

const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Clone, Copy, Debug)]
struct Status {
    code: u16,
    reason: &'static str,
}

impl Status {
    const OK: Status = Status { code: 200, reason: "OK" };
    const BAD_REQUEST: Status = Status { code: 400, reason: "Bad Request" };
    const NOT_FOUND: Status = Status { code: 404, reason: "Not Found" };
    const METHOD_NOT_ALLOWED: Status = Status { code: 405, reason: "Method Not Allowed" };
    const MISDIRECTED: Status = Status { code: 421, reason: "Misdirected Request" };
    const UNAVAILABLE: Status = Status { code: 503, reason: "Service Unavailable" };
    const HEAD_TOO_LONG: Status = Status { code: 431, reason: "Request Header Fields Too Large" };
}

fn render(status: Status, content_type: &str, body: &str, is_body_sent: bool, is_kept_open: bool) -> Vec<u8> {
    let allow = if status.code == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    let connection = if is_kept_open { "keep-alive" } else { "close" };
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Connection: {connection}\r\n\r\n",
        status.code,
        status.reason,
        body.len()
    );
    let mut response = head.into_bytes();
    if is_body_sent {
        response.extend_from_slice(body.as_bytes());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{CoreMetrics, SILENCE_MS_MAX, Sources, monotonic_ms};
    use super::*;
    use std::sync::Arc;

    /// Of two cores whose loops last came round so many milliseconds ago.
    fn site(silences_ms: [u64; 2]) -> Site {
        let cores = CoreMetrics::for_cores(2);
        // Times before the clock's start are not there.
        while monotonic_ms() <= 2 * SILENCE_MS_MAX {
            std::thread::sleep(Duration::from_millis(10));
        }
        for (core, silence_ms) in cores.iter().zip(silences_ms) {
            core.turned_at_ms.set(monotonic_ms() - silence_ms);
        }
        Site {
            exporter: Exporter::new(Sources { cores, log: Arc::default(), tls: None }),
            names: vec!["torc.internal".to_owned()],
            tls: None,
        }
    }

    fn try_answer(request: &str) -> Option<Answer> {
        let sources = Sources { cores: CoreMetrics::for_cores(1), log: Arc::default(), tls: None };
        sources.cores[0].turned_at_ms.set(monotonic_ms());
        answer(
            request.as_bytes(),
            &Site { exporter: Exporter::new(sources), names: vec!["torc.internal".to_owned()], tls: None },
        )
    }

    fn answered(request: &str) -> (String, usize, bool) {
        let answer = try_answer(request).expect("a complete request");
        let response = String::from_utf8(answer.response).expect("text");
        (response, answer.head_len, answer.is_kept_open)
    }

    fn status(request: &str) -> String {
        let (response, ..) = answered(request);
        response.split(' ').nth(1).expect("a status").to_owned()
    }

    fn needs_more(request: &str) -> bool {
        try_answer(request).is_none()
    }

    #[test]
    fn the_two_pages() {
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let (response, head_len, is_kept_open) = answered(&format!("{request}GET /met"));
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(response.ends_with("\r\n\r\nok\n"));
        assert!(response.contains("Content-Length: 3\r\n"));
        assert_eq!(head_len, request.len());
        assert!(is_kept_open);
        let (response, ..) = answered("GET /metrics?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(response.contains("torc_commands_total{core=\"0\"} 0\n"));
        assert!(response.contains(Exporter::CONTENT_TYPE));
    }

    #[test]
    fn head_has_no_body() {
        let (response, ..) = answered("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(response.contains("Content-Length: 3\r\n") && response.ends_with("\r\n\r\n"));
    }

    #[test]
    fn refusals() {
        assert_eq!(status("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "404");
        assert_eq!(status("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"), "405");
        assert_eq!(status("GET /metrics HTTP/1.1\r\n\r\n"), "400", "no host");
        assert_eq!(status("*1\r\n$4\r\nPING\r\n"), "400", "a Redis client");
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"), "400");
        let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}", "y".repeat(HEAD_LEN_MAX));
        assert_eq!(status(&long), "431");
        assert_eq!(status(&format!("{long}\r\n\r\n")), "431");
        let many = "X: y\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "431");
    }

    #[test]
    fn only_requests_for_this_server_are_served() {
        let status_of = |host: &str| status(&format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        for served in [
            "localhost",
            "LocalHost:9121",
            "a.localhost",
            "127.0.0.1",
            "10.1.2.3:9121",
            "[::1]",
            "[::1]:9121",
            "Torc.Internal:1",
        ] {
            assert_eq!(status_of(served), "200", "{served}");
        }
        for foreign in
            ["", "evil.example", "localhost.evil.example", "1.2.3.4.evil.example", "[evil]", "[::1", "::1", "a:b"]
        {
            assert_eq!(status_of(foreign), "421", "{foreign}");
        }
        assert_eq!(status("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"), "400");
        assert_eq!(status("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), "421");
        assert_eq!(status("GET http://127.0.0.1:9/healthz?x=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "200");
        assert_eq!(status("GET http://localhost HTTP/1.1\r\nHost: localhost\r\n\r\n"), "404");
        assert_eq!(status("GET /healthz HTTP/1.0\r\n\r\n"), "200");
        assert_eq!(status("GET /nothing?x=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"), "404");
    }

    #[test]
    fn health_is_that_of_the_slowest_core() {
        let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let text = |site: &Site| String::from_utf8(answer(request, site).expect("it is whole").response).expect("text");
        assert!(text(&site([0, SILENCE_MS_MAX / 2])).starts_with("HTTP/1.1 200 "));
        let late = text(&site([0, 2 * SILENCE_MS_MAX]));
        assert!(late.starts_with("HTTP/1.1 503 ") && late.contains("\r\n\r\ncore 1 has not answered for 20"), "{late}");
        let young = site([0, 0]);
        let sources = Sources { cores: CoreMetrics::for_cores(1), log: Arc::default(), tls: None };
        let young = Site { exporter: Exporter::new(sources), ..young };
        assert!(text(&young).ends_with("core 0 has not started\n"));
    }

    #[test]
    fn connections_are_kept_or_closed() {
        let is_kept_open = |request: &str| answered(request).2;
        assert!(is_kept_open("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(!is_kept_open("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Close\r\n\r\n"));
        assert!(!is_kept_open("GET /x HTTP/1.0\r\n\r\n"));
        assert!(is_kept_open("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!is_kept_open("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"));
        assert!(!is_kept_open("POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn requests_may_arrive_in_pieces() {
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for length in 0..request.len() {
            assert!(needs_more(&request[..length]), "{length}");
        }
        assert!(!needs_more(request));
    }
}
