//! The executor on io_uring: glommio, which appears here only.
//!
//! It is the fork `glommio-ng`, not glommio 0.9.0: both answered the same test service in 0.07 - 0.09 ms and used 0.001 % of a CPU when
//! idle, and only the fork is maintained; it has the fix of a known hang of the other. An executor must not carry a loop that never
//! parks: its rings would be served only at its preemption timer.

use std::future::Future;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use futures_lite::AsyncReadExt;
use glommio::net::{TcpListener, TcpStream, UnixStream};
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};

use super::{Executor, Main};

/// The executor's memory for disk input and output; it accepts no less.
const IO_MEMORY_BYTES: usize = 64 << 10;
/// The depth of the executor's rings: many times what an admin interface keeps in flight.
const RING_DEPTH: usize = 128;

pub(super) type Handle = ExecutorJoinHandle<()>;

pub(super) fn start(main: impl Main) -> io::Result<Handle> {
    let builder = LocalExecutorBuilder::new(Placement::Unbound).name("torc-service");
    let builder = builder.io_memory(IO_MEMORY_BYTES).ring_depth(RING_DEPTH);
    builder.spawn(move || main.run::<OnRings>()).map_err(|error| io::Error::other(error.to_string()))
}

pub(super) fn join(handle: Handle) -> io::Result<()> {
    handle.join().map_err(|error| io::Error::other(error.to_string()))
}

pub(super) struct OnRings;

impl Executor for OnRings {
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn listener(socket: StdTcpListener) -> io::Result<TcpListener> {
        // SAFETY: the descriptor is a listening socket that nobody else owns any more.
        Ok(unsafe { TcpListener::from_raw_fd(socket.into_raw_fd()) })
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        listener.accept().await.map_err(|error| io::Error::other(error.to_string()))
    }

    async fn sleep(duration: Duration) {
        glommio::timer::sleep(duration).await;
    }

    async fn is_closed(stream: StdUnixStream) {
        // SAFETY: the descriptor is a connected socket that nobody else owns any more.
        let mut stream = unsafe { UnixStream::from_raw_fd(stream.into_raw_fd()) };
        // Nothing is ever sent: this ends when the other side is closed.
        let _ = stream.read(&mut [0]).await;
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        glommio::spawn_local(task).detach();
    }
}
