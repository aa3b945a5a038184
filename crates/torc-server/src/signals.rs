//! Signals: a request to stop, or to read certificates again, becomes a flag and a readable eventfd.
//!
//! ```text
//! SIGINT, SIGTERM --> number kept, eventfd written --> the core that polls the eventfd logs it and asks for the end
//! SIGINT again    --> a file that is half written goes, and the process ends at once
//! SIGHUP          --> the same eventfd: certificates are read again
//! SIGPIPE         --> ignored
//! SIGXFSZ         --> ignored: a file that may not grow is an error of whoever writes it
//! SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE --> last words (crash.rs), then the process ends by it
//! ```
//!
//! The handler of the first two does only what POSIX allows in a handler: atomics, `write`, `unlink` and `_exit`.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};

use crate::crash;

/// The signal that has asked the process to stop; 0: none has.
static STOP_SIGNAL: AtomicI32 = AtomicI32::new(0);

/// It has, and nobody has taken that.
static STOPS: AtomicBool = AtomicBool::new(false);

/// Certificates are to be read again, and nobody has taken that.
static RENEWS: AtomicBool = AtomicBool::new(false);

/// What the handler writes to; -1 while there is none. A handler can reach nothing but statics.
static EVENT_FD: AtomicI32 = AtomicI32::new(-1);

/// The file that a save writes to before it is whole.
static TEMPORARY_FILE: AtomicPtr<libc::c_char> = AtomicPtr::new(std::ptr::null_mut());

/// The exit status after a second SIGINT.
const EXIT_STATUS_IMPATIENT: i32 = 1;

/// The installed handlers. Dropping it leaves the flag working and closes the eventfd.
#[derive(Debug)]
pub struct Signals {
    event_fd: OwnedFd,
}

impl Signals {
    /// Installs the handlers. Call it once.
    pub fn install() -> io::Result<Signals> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            let error = io::Error::last_os_error();
            return Err(io::Error::new(error.kind(), format!("cannot create an eventfd for signals: {error}")));
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else owns it.
        let event_fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let earlier = EVENT_FD.swap(fd, Ordering::SeqCst);
        assert_eq!(earlier, -1, "the handlers are installed once");
        for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
            set_handler(signal, libc::SIG_IGN, libc::SA_RESTART)?;
        }
        let handler = on_stop_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        for signal in [libc::SIGINT, libc::SIGTERM] {
            set_handler(signal, handler, libc::SA_RESTART)?;
        }
        let handler = on_renew_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        set_handler(libc::SIGHUP, handler, libc::SA_RESTART)?;
        let last_words = crash::on_crash as extern "C" fn(_, _, _) as libc::sighandler_t;
        for &signal in crash::SIGNALS {
            set_handler(signal, last_words, libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND)?;
        }
        Ok(Signals { event_fd })
    }

    /// Becomes readable (8 bytes) when a stop is requested. Owned by `self`.
    pub fn event_fd(&self) -> RawFd {
        self.event_fd.as_raw_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        EVENT_FD.store(-1, Ordering::SeqCst);
    }
}

fn set_handler(signal: libc::c_int, handler: libc::sighandler_t, flags: libc::c_int) -> io::Result<()> {
    // SAFETY: all zeros is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `action` lives through the call, and the handler is a function of the right type or SIG_IGN.
    match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            Err(io::Error::new(error.kind(), format!("cannot handle signal {signal}: {error}")))
        }
    }
}

/// What signals have asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The end of the process.
    pub stops: bool,
    /// That certificates are read again.
    pub renews: bool,
}

/// Takes what was asked for since this was called last, and logs which signal has asked for the end. `event_fd` is not readable before
/// the next one.
pub fn take_request(event_fd: RawFd) -> Asked {
    let mut count = [0u8; 8];
    // SAFETY: the pointer is good for the length.
    unsafe { libc::read(event_fd, count.as_mut_ptr().cast(), count.len()) };
    let asked = Asked { stops: STOPS.swap(false, Ordering::AcqRel), renews: RENEWS.swap(false, Ordering::AcqRel) };
    if asked.stops {
        let name = if STOP_SIGNAL.load(Ordering::Acquire) == libc::SIGINT { "SIGINT" } else { "SIGTERM" };
        tracing::info!("Received {name} scheduling shutdown...");
    }
    asked
}

/// The process does not end after all: the next signal is the first again.
pub fn forget_request() {
    STOP_SIGNAL.store(0, Ordering::Release);
}

/// This file is of no use when a second SIGINT ends the process before it is whole. Called by one thread; the handler may read the name at
/// any time, so it stays in memory: there is one for each directory that the process saves to.
pub fn set_temporary_file(path: &Path) {
    let Ok(name) = CString::new(path.as_os_str().as_bytes()) else { return };
    let now = TEMPORARY_FILE.load(Ordering::Acquire);
    // SAFETY: what was stored is the name of a file that is never freed.
    if now.is_null() || unsafe { CStr::from_ptr(now) } != name.as_c_str() {
        TEMPORARY_FILE.store(name.into_raw(), Ordering::Release);
    }
}

/// Runs in whatever thread the signal interrupted.
extern "C" fn on_stop_signal(signal: libc::c_int) {
    if STOP_SIGNAL.swap(signal, Ordering::AcqRel) != 0 && signal == libc::SIGINT {
        let temporary = TEMPORARY_FILE.load(Ordering::Acquire);
        // SAFETY: the name is never freed; both may be called in a handler, and _exit does not return.
        unsafe {
            if !temporary.is_null() {
                libc::unlink(temporary);
            }
            libc::_exit(EXIT_STATUS_IMPATIENT)
        };
    }
    STOPS.store(true, Ordering::Release);
    write_event();
}

/// On SIGHUP, in whatever thread it interrupted.
extern "C" fn on_renew_signal(_signal: libc::c_int) {
    RENEWS.store(true, Ordering::Release);
    write_event();
}

/// Makes the eventfd readable. For handlers.
fn write_event() {
    let fd = EVENT_FD.load(Ordering::Acquire);
    if fd < 0 {
        return;
    }
    let one = 1u64.to_ne_bytes();
    // SAFETY: errno belongs to this thread; it must be as before for the code that was interrupted.
    unsafe {
        let errno = *libc::__errno_location();
        // A full counter (EAGAIN) is readable already, which is all that matters.
        libc::write(fd, one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything in one test, in a child: handlers and flag belong to the whole process.
    #[test]
    fn stop_is_requested_once_and_a_second_interrupt_ends_the_process() {
        // SAFETY: the child calls only async-signal-safe functions before it exits, apart from the assertions,
        // which print only when the test fails anyway.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            child_body();
        }
        let mut status = 0;
        // SAFETY: `status` lives through the call.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), EXIT_STATUS_IMPATIENT);
    }

    fn child_body() -> ! {
        let exit = |status| {
            // SAFETY: ends the child without running the test harness's own exit code.
            unsafe { libc::_exit(status) }
        };
        let Ok(signals) = Signals::install() else { exit(10) };
        // SAFETY: raise and read take no pointers but `count`, which lives through the calls.
        unsafe {
            libc::raise(libc::SIGPIPE);
            let mut count = [0u8; 8];
            if STOP_SIGNAL.load(Ordering::Acquire) != 0
                || libc::read(signals.event_fd(), count.as_mut_ptr().cast(), 8) != -1
            {
                exit(11);
            }
            libc::raise(libc::SIGHUP);
            if take_request(signals.event_fd()) != (Asked { stops: false, renews: true }) {
                exit(15);
            }
            libc::raise(libc::SIGTERM);
            if STOP_SIGNAL.load(Ordering::Acquire) != libc::SIGTERM
                || libc::read(signals.event_fd(), count.as_mut_ptr().cast(), 8) != 8
            {
                exit(12);
            }
            if u64::from_ne_bytes(count) != 1 {
                exit(13);
            }
            libc::raise(libc::SIGTERM);
            libc::raise(libc::SIGINT);
        }
        exit(14)
    }
}
