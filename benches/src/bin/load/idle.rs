//! Connections that are opened, used once, and then stay idle: the memory and CPU time they cost a server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::Options;
use crate::tally::Report;

/// How long a server gets to give back what the last PING took, before anything is measured.
const SETTLE: Duration = Duration::from_secs(1);

/// Opens `count` connections, has each answer a PING, and reports memory and CPU time over the time they are held.
///
/// # Errors
/// A connection is refused or answers wrongly, or the measured process is gone.
pub fn hold(options: &Options, count: usize) -> io::Result<Report> {
    let address = SocketAddr::from(([127, 0, 0, 1], options.port));
    // The first use of a server costs once, whoever comes; it is not the price of a connection.
    let warm = open(address)?;
    thread::sleep(SETTLE);
    let mut report = Report::begin(options.measure_pid).map_err(io::Error::other)?;
    let connections: Vec<_> = (0..count).map(|_| open(address)).collect::<io::Result<_>>()?;
    thread::sleep(SETTLE);
    report.start_measuring().map_err(io::Error::other)?;
    let start = Instant::now();
    thread::sleep(Duration::from_secs_f64(options.seconds));
    report.add_idle(count, start.elapsed()).map_err(io::Error::other)?;
    // At the end: what a server frees only after a while does not belong to an idle connection.
    report.finish().map_err(io::Error::other)?;
    for (place, mut connection) in connections.iter().enumerate() {
        ping(&mut connection).map_err(|error| io::Error::other(format!("connection {place} was lost: {error}")))?;
    }
    drop(warm);
    Ok(report)
}

fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    ping(&mut &stream)?;
    Ok(stream)
}

fn ping(stream: &mut &TcpStream) -> io::Result<()> {
    stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
    let mut reply = [0; 64];
    let length = stream.read(&mut reply)?;
    // Any status will do, so that a fixed-reply server can be held against as well.
    if reply[..length].starts_with(b"+") && reply[..length].ends_with(b"\r\n") {
        return Ok(());
    }
    Err(io::Error::other(format!("PING was answered with {:?}", String::from_utf8_lossy(&reply[..length]))))
}
