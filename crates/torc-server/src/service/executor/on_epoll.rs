//! The executor on epoll: smol's parts, `async-executor` for the tasks and `async-io` for the sockets and the clock. The latter waits on
//! a thread of its own when this one does not.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{Executor, Main};

thread_local! {
    /// The executor of this thread, while it runs.
    static EXECUTOR: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

pub(super) type Handle = JoinHandle<()>;

pub(super) fn start(main: impl Main) -> io::Result<Handle> {
    open_reactor()?;
    thread::Builder::new().name("torc-service".to_owned()).spawn(move || {
        let executor = Rc::new(LocalExecutor::new());
        EXECUTOR.set(Some(Rc::clone(&executor)));
        async_io::block_on(executor.run(main.run::<OnEpoll>()));
        // With it the tasks that are left.
        EXECUTOR.set(None);
    })
}

/// Has async-io open what it needs: an epoll instance, what wakes it and what times it out. It does so when it is first used, and
/// panics if it cannot; so whether there are descriptors for them is tried before.
fn open_reactor() -> io::Result<()> {
    drop((StdUnixStream::pair()?, StdUnixStream::pair()?));
    // A timer that is due soon is the smallest use of it.
    async_io::block_on(Timer::after(Duration::from_micros(1)));
    Ok(())
}

pub(super) fn join(handle: Handle) -> io::Result<()> {
    handle.join().map_err(|_| io::Error::other("the thread of the service plane has panicked"))
}

/// A connection whose closing tells the other side that no more comes, as glommio's does.
pub(in crate::service) struct Stream(Async<TcpStream>);

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing that would have to be flushed.
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

pub(super) struct OnEpoll;

impl Executor for OnEpoll {
    type Listener = Async<TcpListener>;
    type Stream = Stream;

    fn listener(socket: TcpListener) -> io::Result<Self::Listener> {
        Async::new(socket)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        listener.accept().await.map(|(stream, _)| Stream(stream))
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    async fn is_closed(stream: StdUnixStream) {
        // Nothing is ever sent: this ends when the other side is closed.
        if let Ok(mut stream) = Async::new(stream) {
            let _ = stream.read(&mut [0]).await;
        }
    }

    fn spawn(task: impl Future<Output = ()> + 'static) {
        let executor = EXECUTOR.with_borrow(Clone::clone).expect("tasks are started by tasks of this thread");
        executor.spawn(task).detach();
    }
}
