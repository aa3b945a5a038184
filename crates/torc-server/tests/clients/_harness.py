"""What the scripts of this directory share: a server process, a list of tests, a verdict.

Each script starts its own servers from the binary that TORC_BIN names, prints one line a test (`ok NAME`
or `not ok NAME: why`), and exits with status 1 if one failed.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

LIMIT_S = 30
PORTS_PER_SERVER = 16


class Server:
    """A running server, on ports that nobody else uses."""

    def __init__(self, cores, *arguments):
        self.directory = tempfile.TemporaryDirectory(prefix="torc-test-")
        self.arguments = ["--cores", str(cores), *arguments]
        for _ in range(20):
            if self._try_start():
                return
        raise RuntimeError("no free ports found:\n" + self.log)

    def _try_start(self):
        # Below the ports that the kernel gives to outgoing connections, in blocks: --core-ports uses the next ones.
        self.port = 10_000 + PORTS_PER_SERVER * random.randrange(1_300)
        # Holding the UDP port keeps other tests away from the block.
        self.reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.reservation.bind(("127.0.0.1", self.port))
        except OSError:
            self.reservation.close()
            self.log = "reserved by another test"
            return False
        own = ["--dir", self.directory.name, "--save", ""]
        if "TORC_DENY_URING" in os.environ:
            own += ["--io-backend", "epoll"]
        self.command = [os.environ["TORC_BIN"], "--bind", "127.0.0.1", "--port", str(self.port), *own, *self.arguments]
        self.process = self.started()
        self.log = ""
        ready = threading.Event()
        self.reader = threading.Thread(target=self._read_log, args=(ready,), daemon=True)
        self.reader.start()
        ready.wait(LIMIT_S)
        if "Ready to accept connections" in self.log:
            return True
        self.process.kill()
        self.process.wait()
        self.reservation.close()
        if "Address already in use" in self.log:
            return False
        raise RuntimeError("the server did not start:\n" + self.log)

    def started(self):
        """A process of this server."""
        return subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def _read_log(self, ready):
        for line in self.process.stdout:
            self.log += line
            if "Ready to accept connections" in line:
                ready.set()
        ready.set()

    def stop(self):
        """SIGTERM; the server must end with status 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError("the server did not stop:\n" + self.log) from None
        finally:
            self.reservation.close()
        if status != 0:
            raise RuntimeError(f"the server ended with status {status}:\n{self.log}")


@contextlib.contextmanager
def serve(cores, *arguments):
    """A server for the length of a `with` block."""
    server = Server(cores, *arguments)
    try:
        yield server
    except BaseException:
        server.process.kill()
        server.process.wait()
        server.reservation.close()
        raise
    server.stop()


def equal(got, wanted):
    """Fails the test if these differ."""
    if got != wanted:
        raise AssertionError(f"expected {wanted!r}, got {got!r}")


def holds(condition, what):
    """Fails the test if the condition does not hold."""
    if not condition:
        raise AssertionError(what)


def raises(kind, part, function, *arguments):
    """Fails the test unless the call raises this, with this part in its text."""
    try:
        result = function(*arguments)
    except kind as error:
        holds(part in str(error), f"expected {part!r} in {str(error)!r}")
        return
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


def run(command, stdin=None):
    """Runs a program to its end; gives status and everything it printed."""
    done = subprocess.run(
        command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def main(tests):
    """Runs the tests; exits with 1 if one failed."""
    if "TORC_BIN" not in os.environ:
        sys.exit("TORC_BIN must name the server's binary")
    failed = 0
    for test in tests:
        started = time.monotonic()
        try:
            test()
        except Exception as error:  # whatever is wrong, the next test may run
            failed += 1
            why = " ".join(f"{type(error).__name__}: {error}".split())[:600]
            place = traceback.extract_tb(error.__traceback__)
            line = next((frame.lineno for frame in reversed(place) if frame.filename == sys.argv[0]), "?")
            print(f"not ok {test.__name__}: {why} (line {line})", flush=True)
        else:
            print(f"ok {test.__name__} # {time.monotonic() - started:.2f} s", flush=True)
    sys.exit(1 if failed else 0)
