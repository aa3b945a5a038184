//! The floor of a fan-out: what the kernel takes for one send to each of many sockets, and nothing else.
//!
//! ```text
//!   so many subscribers connect, then one publisher
//!   a byte of the publisher --> so many bytes to each subscriber, one send each --> a byte to the publisher
//! ```
//! There are no channels, no frames to build and no buffers of connections: all are sent the same memory. With `--ring` the sends are handed
//! to the kernel in portions by a ring whose table has the sockets, in one system call for each portion. `benches/pubsub.py floor` drives it.

use clap::Parser;
use io_uring::{IoUring, opcode, types};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use torc_benches::cpu;
use torc_benches::ring::send;

/// Sends that the ring is handed at once.
const PORTION: usize = 128;

/// A server that sends the same to all.
#[derive(Parser)]
struct Options {
    /// TCP port on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// Connections that are sent to: the first so many.
    #[arg(long)]
    subscribers: usize,
    /// Bytes of each send.
    #[arg(long)]
    bytes: usize,
    /// Send by a ring.
    #[arg(long)]
    ring: bool,
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    cpu::raise_open_files()?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    let accept = || -> io::Result<TcpStream> {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let subscribers = (0..options.subscribers).map(|_| accept()).collect::<io::Result<Vec<_>>>()?;
    let sockets: Vec<RawFd> = subscribers.iter().map(AsRawFd::as_raw_fd).collect();
    let mut publisher = accept()?;
    let bytes = vec![b'x'; options.bytes];
    let mut ring = if options.ring { Some(ring_of(&sockets)?) } else { None };
    let mut byte = [0];
    while publisher.read(&mut byte)? > 0 {
        match &mut ring {
            None => sockets.iter().try_for_each(|&socket| check_sent(send(socket, &bytes)?, &bytes))?,
            Some(ring) => send_by_ring(ring, sockets.len(), &bytes)?,
        }
        publisher.write_all(&byte)?;
    }
    Ok(())
}

/// A ring set up as those of the server's cores, whose table has these sockets.
fn ring_of(sockets: &[RawFd]) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun();
    let ring = builder.build(PORTION as u32)?;
    ring.submitter().register_files(sockets)?;
    Ok(ring)
}

fn send_by_ring(ring: &mut IoUring, sockets: usize, bytes: &[u8]) -> io::Result<()> {
    for first in (0..sockets).step_by(PORTION) {
        let portion = first..sockets.min(first + PORTION);
        for index in portion.clone() {
            let send = opcode::Send::new(types::Fixed(index as u32), bytes.as_ptr(), bytes.len() as u32)
                .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
                .build();
            // SAFETY: `bytes` outlives the operation, which has ended when all completions of the portion are taken below.
            unsafe { ring.submission().push(&send) }.expect("a portion fits into the queue");
        }
        ring.submit_and_wait(portion.len())?;
        ring.completion().try_for_each(|entry| check_sent(usize::try_from(entry.result()).unwrap_or(0), bytes))?;
    }
    Ok(())
}

/// All of it must have gone: whoever reads keeps up.
fn check_sent(sent: usize, bytes: &[u8]) -> io::Result<()> {
    if sent == bytes.len() { Ok(()) } else { Err(io::Error::other(format!("{sent} bytes were sent"))) }
}
