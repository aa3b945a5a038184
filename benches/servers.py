"""Servers that the measurements of this folder start, each with a directory of its own; they are ended when it is over."""

import contextlib
import os
import shlex
import socket
import subprocess
import time

POPULATE_SECONDS_MAX = 600


def cpu_seconds(pid):
    """User and system time of a process."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid):
    """Its resident memory."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server with a directory that it is given."""

    def __init__(self, command, directory, *more):
        self.command, self.port = command, free_port()
        options = ["--port", str(self.port), "--dir", directory, "--save", "", "--enable-debug-command", "yes", *more]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(shlex.split(command) + options, stdout=quiet, stderr=quiet)
        self.connection = self.connect()

    def connect(self):
        while True:
            with contextlib.suppress(OSError):
                self.connection = socket.create_connection(("127.0.0.1", self.port))
                self.connection.settimeout(POPULATE_SECONDS_MAX)
                while b"PONG" not in self.call("PING"):
                    time.sleep(0.005)
                return self.connection
            time.sleep(0.005)

    def another(self):
        """The same server by a connection of its own."""
        other = object.__new__(Server)
        other.command, other.port, other.process = self.command, self.port, self.process
        other.connection = other.connect()
        return other

    def call(self, *words):
        """Sends a command with a reply of one line."""
        self.connection.sendall(" ".join(words).encode() + b"\r\n")
        reply = b""
        while not reply.endswith(b"\r\n"):
            reply += self.connection.recv(65536)
        return reply

    def info(self, name):
        """A field of INFO."""
        self.connection.sendall(b"INFO ALL\r\n")
        reply = self.connection.recv(65536)
        length = int(reply[1 : reply.index(b"\r\n")]) + reply.index(b"\r\n") + 4
        while len(reply) < length:
            reply += self.connection.recv(65536)
        return next((line.split(":")[1] for line in reply.decode().splitlines() if line.startswith(name + ":")), None)

    def kill(self):
        self.process.kill()
        self.process.wait()
