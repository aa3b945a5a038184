//! The admin interface: `GET /metrics` for Prometheus and `GET /healthz`, over HTTP/1.1.
//!
//! Answering is a pure function from the bytes received so far to what to send ([`answer`]); around it,
//! [`serve_connection`] reads and writes. Requests have no bodies here: one that announces a body is answered
//! and the connection closed, so that the body can't be taken for a request. Everything is bounded: the head of a
//! request, the time to send one, the time to take an answer, and the number of connections.

use std::io;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::TcpStream;

use super::metrics::Exporter;

/// The longest request line and headers, in bytes.
const HEAD_LEN_MAX: usize = 8 << 10;
/// As many headers as a request may have.
const HEADERS_MAX: usize = 64;
/// How long a client may take to send a request, or do nothing between two, and to take an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Answers the requests of one connection until it is closed, by either side.
pub(super) async fn serve_connection(mut stream: TcpStream, exporter: &Exporter) -> io::Result<()> {
    let mut received = Vec::new();
    while let Some(answer) = with_timeout(next_answer(&mut stream, &mut received, exporter)).await? {
        with_timeout(stream.write_all(&answer.response)).await?;
        if !answer.is_kept_open {
            return with_timeout(close(&mut stream)).await;
        }
        received.drain(..answer.head_len);
    }
    Ok(())
}

/// Reads until there is a whole request, which stays in `received`. `None` when the client has closed its side.
async fn next_answer(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    exporter: &Exporter,
) -> io::Result<Option<Answer>> {
    let mut piece = [0; 1024];
    loop {
        if let Some(answer) = answer(received, exporter) {
            return Ok(Some(answer));
        }
        match stream.read(&mut piece).await? {
            0 => return Ok(None),
            count => received.extend_from_slice(&piece[..count]),
        }
    }
}

/// Ends the connection so that the answer arrives: closing while unread bytes wait would reset it.
async fn close(stream: &mut TcpStream) -> io::Result<()> {
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

async fn with_timeout<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = async {
        glommio::timer::sleep(TIMEOUT).await;
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
fn answer(received: &[u8], exporter: &Exporter) -> Option<Answer> {
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
            let response = respond(&request, connection.is_kept_open, exporter);
            Some(Answer { response, head_len, is_kept_open: connection.is_kept_open })
        }
    }
}

/// What a request says about its connection.
struct Connection {
    is_kept_open: bool,
}

impl Connection {
    /// `None` if the headers contradict HTTP.
    fn read(request: &httparse::Request<'_, '_>) -> Option<Connection> {
        let is_newer = request.version == Some(1);
        let mut is_kept_open = is_newer;
        let mut has_host = false;
        let mut has_body = false;
        for header in request.headers.iter() {
            let value = str::from_utf8(header.value).ok()?.trim();
            let has_word = |word: &str| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word));
            match header.name.to_ascii_lowercase().as_str() {
                "host" => has_host = true,
                "connection" if has_word("close") => is_kept_open = false,
                "connection" if has_word("keep-alive") => is_kept_open = true,
                "content-length" => has_body |= value.parse::<u64>().ok()? > 0,
                "transfer-encoding" => has_body = true,
                _ => {}
            }
        }
        if is_newer && !has_host {
            return None;
        }
        Some(Connection { is_kept_open: is_kept_open && !has_body })
    }
}

fn respond(request: &httparse::Request<'_, '_>, is_kept_open: bool, exporter: &Exporter) -> Vec<u8> {
    let target = request.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let method = request.method.unwrap_or_default();
    let (status, content_type, body) = match path {
        "/metrics" | "/healthz" if !matches!(method, "GET" | "HEAD") => {
            (Status::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n".to_owned())
        }
        "/metrics" => (Status::OK, Exporter::CONTENT_TYPE, exporter.render()),
        "/healthz" => (Status::OK, TEXT, "ok\n".to_owned()),
        _ => (Status::NOT_FOUND, TEXT, "not found\n".to_owned()),
    };
    render(status, content_type, &body, method != "HEAD", is_kept_open)
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
    use super::super::metrics::CoreMetrics;
    use super::*;

    fn try_answer(request: &str) -> Option<Answer> {
        answer(request.as_bytes(), &Exporter::new(CoreMetrics::for_cores(1)))
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
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        let (response, head_len, is_kept_open) = answered(&format!("{request}GET /met"));
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(response.ends_with("\r\n\r\nok\n"));
        assert!(response.contains("Content-Length: 3\r\n"));
        assert_eq!(head_len, request.len());
        assert!(is_kept_open);
        let (response, ..) = answered("GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(response.contains("torc_commands_total{core=\"0\"} 0\n"));
        assert!(response.contains(Exporter::CONTENT_TYPE));
    }

    #[test]
    fn head_has_no_body() {
        let (response, ..) = answered("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(response.contains("Content-Length: 3\r\n") && response.ends_with("\r\n\r\n"));
    }

    #[test]
    fn refusals() {
        assert_eq!(status("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "404");
        assert_eq!(status("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "405");
        assert_eq!(status("GET /metrics HTTP/1.1\r\n\r\n"), "400", "no host");
        assert_eq!(status("*1\r\n$4\r\nPING\r\n"), "400", "a Redis client");
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"), "400");
        let long = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}", "y".repeat(HEAD_LEN_MAX));
        assert_eq!(status(&long), "431");
        assert_eq!(status(&format!("{long}\r\n\r\n")), "431");
        let many = "X: y\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{many}\r\n")), "431");
    }

    #[test]
    fn connections_are_kept_or_closed() {
        let is_kept_open = |request: &str| answered(request).2;
        assert!(is_kept_open("GET /x HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!is_kept_open("GET /x HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n"));
        assert!(!is_kept_open("GET /x HTTP/1.0\r\n\r\n"));
        assert!(is_kept_open("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        assert!(!is_kept_open("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
        assert!(!is_kept_open("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
    }

    #[test]
    fn requests_may_arrive_in_pieces() {
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        for length in 0..request.len() {
            assert!(needs_more(&request[..length]), "{length}");
        }
        assert!(!needs_more(request));
    }
}
