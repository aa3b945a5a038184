"""Saving and loading: CPU and wall time of SAVE, and of a start with the file, of several servers in turn.

    python3 benches/save_load.py --keys 5000000 'target/release/torc --cores 1' 'target/release/torc --cores 2' redis-server

Each server gets so many keys by DEBUG POPULATE (values of 32 bytes), saves them, is killed, and is started with its own file.
"""

import argparse
import contextlib
import os
import shlex
import socket
import subprocess
import tempfile
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

    def __init__(self, command, directory):
        self.port = free_port()
        options = ["--port", str(self.port), "--dir", directory, "--save", "", "--enable-debug-command", "yes"]
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

    def call(self, *words):
        """Sends a command with a reply of one line."""
        self.connection.sendall(" ".join(words).encode() + b"\r\n")
        reply = b""
        while not reply.endswith(b"\r\n"):
            reply += self.connection.recv(65536)
        return reply

    def kill(self):
        self.process.kill()
        self.process.wait()


def measure(command, keys):
    """One server: a line for its save, and one for its start."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(command, directory)
        server.call("DEBUG", "POPULATE", str(keys), "key", "32")
        cpu, wall = cpu_seconds(server.process.pid), time.monotonic()
        server.call("SAVE")
        cpu, wall = cpu_seconds(server.process.pid) - cpu, time.monotonic() - wall
        megabytes = os.path.getsize(os.path.join(directory, "dump.rdb")) / 1e6
        resident = resident_mb(server.process.pid)
        server.kill()
        print(f"{command}: save {megabytes:.0f} MB in {wall:.2f} s, CPU {cpu:.2f} s, resident {resident} MB", flush=True)
        wall = time.monotonic()
        server = Server(command, directory)
        wall, cpu = time.monotonic() - wall, cpu_seconds(server.process.pid)
        assert server.call("DBSIZE") == f":{keys}\r\n".encode()
        server.kill()
        print(f"{command}: start in {wall:.2f} s, CPU {cpu:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("commands", nargs="+")
    options = parser.parse_args()
    for command in options.commands:
        measure(command, options.keys)


main()
