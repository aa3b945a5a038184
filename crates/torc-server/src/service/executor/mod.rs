//! What the tasks of the service plane run on: one thread of its own, whose executor is that of the rings or, where io_uring is
//! denied, that of epoll. Tasks know it by [`Executor`] only.

mod on_epoll;
mod on_rings;

use std::future::Future;
use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncWrite};

use crate::core::Backend;

/// What tasks ask of the executor on whose thread they run.
pub(super) trait Executor: 'static {
    /// A socket that listens.
    type Listener: 'static;
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + AsRawFd + Unpin + 'static;

    /// Takes a listening socket over.
    fn listener(socket: StdTcpListener) -> io::Result<Self::Listener>;

    /// Waits for a connection.
    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream>;

    /// Waits.
    async fn sleep(duration: Duration);

    /// Waits until the other end of a socket pair is closed.
    async fn is_closed(stream: StdUnixStream);

    /// Starts a task; it ends with the executor at the latest.
    fn spawn(task: impl Future<Output = ()> + 'static);
}

/// What a thread runs, for whichever executor it gets.
pub(super) trait Main: Send + 'static {
    /// The work of the thread; the thread ends with it.
    async fn run<E: Executor>(self);
}

/// A thread with an executor.
#[derive(Debug)]
pub(super) enum Thread {
    /// glommio's.
    OnRings(on_rings::Handle),
    /// smol's.
    OnEpoll(on_epoll::Handle),
}

impl Thread {
    /// Starts it.
    ///
    /// # Errors
    /// There are no descriptors or no thread for it.
    pub fn start(backend: Backend, main: impl Main) -> io::Result<Thread> {
        match backend {
            Backend::Uring => on_rings::start(main).map(Thread::OnRings),
            Backend::Epoll => on_epoll::start(main).map(Thread::OnEpoll),
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It could not work, or has panicked.
    pub fn join(self) -> io::Result<()> {
        match self {
            Thread::OnRings(handle) => on_rings::join(handle),
            Thread::OnEpoll(handle) => on_epoll::join(handle),
        }
    }
}
