"""What publishing costs, and what becomes of subscribers beside one that reads nothing.

    python3 benches/pubsub.py fanout|floor|channels|events|lame|million [--rounds 3] SERVER...

fanout    64 bytes to 1,000 subscribers of one channel, 8 publishes in a pipeline: CPU of the whole process for each message delivered.
floor     The same bytes as in `fanout`, sent by a program that does nothing else: 'target/release/fanout-floor', or the same with `--ring`.
channels  64 bytes to 10,000 channels with one subscriber each, 64 publishes in a pipeline (`--pipeline`): the same. 100 connections subscribe to
          100 channels each.
events    SETs in pipelines of 16 without notifications, and with `notify-keyspace-events KEA` and one subscriber to all keyevents: CPU.
lame      1 KB to 50 subscribers, one of which reads nothing, until it is dropped: the time from a publish to its arrival at the others.
million   The longest waits of another client, ms, while one subscribes to a million channels by thousands, leaves, subscribes to 200,000 at
          once, ends them at once, and subscribes to a pattern of 1 MB.

A SERVER is a command line, such as 'target/release/torc --cores 2'; it gets a port and a directory.
"""

import argparse
import contextlib
import multiprocessing
import select
import shlex
import socket
import statistics
import subprocess
import threading
import time

from durability import load, serving
from servers import cpu_seconds, free_port

SECONDS = 3


def request(*words):
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


def connect(server):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            connection = socket.create_connection(("127.0.0.1", server.port))
            break
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Subscribers:
    """Connections that take whatever comes, and count its bytes."""

    def __init__(self, server, topics_of_each, word="SUBSCRIBE"):
        self.poll, self.connections, self.bytes = select.epoll(), {}, 0
        for topics in topics_of_each:
            connection = connect(server)
            if topics:
                connection.sendall(request(word, *topics))
            confirmed = 0
            while confirmed < len(topics):
                confirmed += connection.recv(1 << 16).count(b"subscribe\r\n")
            connection.setblocking(False)
            self.connections[connection.fileno()] = connection
            self.poll.register(connection.fileno(), select.EPOLLIN)

    def drain(self, wanted, timeout=30):
        """Reads until so many bytes have come since the start."""
        until = time.monotonic() + timeout
        while self.bytes < wanted:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.bytes} of {wanted} bytes have come")
            for descriptor, _ in self.poll.poll(1):
                with contextlib.suppress(BlockingIOError):
                    self.bytes += len(self.connections[descriptor].recv(1 << 18))


def publish_for_a_while(server, subscribers, channels, receivers, pipeline):
    """CPU for each message delivered, us; and messages a second."""
    publisher, payload = connect(server), b"x" * 64
    frame = lambda channel: len(request("message", channel, payload))
    number, delivered, wanted = 0, 0, subscribers.bytes
    before, began = cpu_seconds(server.process.pid), time.monotonic()
    while time.monotonic() - began < SECONDS:
        batch = [channels[(number + at) % len(channels)] for at in range(pipeline)]
        number += pipeline
        publisher.sendall(b"".join(request("PUBLISH", channel, payload) for channel in batch))
        wanted += sum(frame(channel) for channel in batch) * receivers
        delivered += pipeline * receivers
        subscribers.drain(wanted)
        replies = b""
        while replies.count(b"\r\n") < pipeline:
            replies += publisher.recv(1 << 16)
        assert all(int(reply[1:]) == receivers for reply in replies.split()), replies
    return (cpu_seconds(server.process.pid) - before) / delivered * 1e6, delivered / (time.monotonic() - began)


def fanout(command):
    with serving(command) as server:
        subscribers = Subscribers(server, [["news"]] * 1000)
        return publish_for_a_while(server, subscribers, ["news"], 1000, 8)


def floor(command, subscribers=1000, pipeline=8):
    """CPU of the sends of `fanout` alone, us for each message; and messages a second."""
    port, length = free_port(), len(request("message", "news", b"x" * 64)) * pipeline
    options = ["--port", port, "--subscribers", subscribers, "--bytes", length]
    process = subprocess.Popen(shlex.split(command) + [str(option) for option in options])
    server = argparse.Namespace(port=port, process=process)
    try:
        readers = Subscribers(server, [[]] * subscribers)
        publisher, rounds = connect(server), 0
        before, began = cpu_seconds(process.pid), time.monotonic()
        while time.monotonic() - began < SECONDS:
            rounds += 1
            publisher.sendall(b"p")
            readers.drain(rounds * length * subscribers)
            publisher.recv(1)
        delivered = rounds * pipeline * subscribers
        return (cpu_seconds(process.pid) - before) / delivered * 1e6, delivered / (time.monotonic() - began)
    finally:
        process.kill()
        process.wait()


def channels(command, pipeline=64):
    with serving(command) as server:
        names = [f"channel:{number}" for number in range(10_000)]
        subscribers = Subscribers(server, [names[start : start + 100] for start in range(0, 10_000, 100)])
        return publish_for_a_while(server, subscribers, names, 1, pipeline)


def events(command):
    """CPU for a SET, us, without and with a subscriber."""
    costs = []
    for is_notified in [False, True]:
        with serving(command) as server:
            stop = threading.Event()
            if is_notified:
                server.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
                subscribers = Subscribers(server, [["__keyevent@*__:*"]], "PSUBSCRIBE")

                def take():
                    while not stop.is_set():
                        for descriptor, _ in subscribers.poll.poll(0.1):
                            subscribers.connections[descriptor].recv(1 << 20)

                thread = threading.Thread(target=take)
                thread.start()
            before, commands = cpu_seconds(server.process.pid), int(server.info("total_commands_processed"))
            load(server, "--ratio", "1:0", "--pipeline", 16, "--data-size", 32, "--seconds", 3, "--warmup", 0)
            commands = int(server.info("total_commands_processed")) - commands
            costs.append((cpu_seconds(server.process.pid) - before) / commands * 1e6)
            stop.set()
            if is_notified:
                thread.join()
    return costs


def lame(command):
    """p99.9 and the longest time from a publish to its arrival, ms; and after how many bytes the one that reads nothing was dropped."""
    with serving(command) as server:
        lame = connect(server)
        lame.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lame.sendall(request("SUBSCRIBE", "news"))
        lame.recv(1000)
        subscribers = Subscribers(server, [["news"]] * 49)
        publisher, payload, times, number = connect(server), b"x" * 1024, [], 0
        wanted = 0
        while number < 100_000:
            number += 1
            began = time.monotonic()
            publisher.sendall(request("PUBLISH", "news", payload))
            wanted += len(request("message", "news", payload)) * 49
            subscribers.drain(wanted)
            times.append((time.monotonic() - began) * 1e3)
            if int(publisher.recv(100)[1:]) == 49:
                break
        times.sort()
        return times[int(len(times) * 0.999)], times[-1], number * 1024 / 1e6


class Waits:
    """Another client that sets a key again and again; how long it waits at most, ms, in each phase. It is a process of its own: in a thread it
    would wait for this one's interpreter, 5 ms at a time."""

    def __init__(self, server, phases):
        self.phases, self.phase = phases, multiprocessing.Value("i", 0)
        self.longest, there = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=self._measure, args=(server.port, there), daemon=True)
        self.process.start()

    def begin(self, phase):
        self.phase.value = self.phases.index(phase)

    def end(self):
        self.phase.value = -1
        longest = self.longest.recv()
        self.process.join()
        return longest

    def _measure(self, port, there):
        connection = connect(argparse.Namespace(port=port))
        longest = [0] * len(self.phases)
        while (phase := self.phase.value) >= 0:
            began = time.monotonic()
            connection.sendall(request("SET", "k", "v"))
            connection.recv(100)
            longest[phase] = max(longest[phase], (time.monotonic() - began) * 1e3)
        there.send(longest)


def take_confirmations(connection, number):
    confirmed, rest = 0, b""
    while confirmed < number:
        parts = (rest + connection.recv(1 << 20)).split(b"subscribe\r\n")
        confirmed, rest = confirmed + len(parts) - 1, parts[-1]


def million(command):
    """The longest waits of another client, ms, in each phase."""
    with serving(command) as server:
        phases = ["start", "by thousands", "leaving", "at once", "ending", "pattern"]
        waits = Waits(server, phases)
        time.sleep(0.3)
        many = connect(server)
        waits.begin("by thousands")
        for first in range(0, 1_000_000, 1000):
            many.sendall(request("SUBSCRIBE", *(f"channel:{number}" for number in range(first, first + 1000))))
            take_confirmations(many, 1000)
        waits.begin("leaving")
        many.close()
        time.sleep(2)
        many, names = connect(server), [f"channel:{number}" for number in range(200_000)]
        for phase, words in [("at once", ("SUBSCRIBE", *names)), ("ending", ("UNSUBSCRIBE",))]:
            waits.begin(phase)
            many.sendall(request(*words))
            take_confirmations(many, len(names))
        waits.begin("pattern")
        many.sendall(request("PSUBSCRIBE", "a*" * 500_000))
        take_confirmations(many, 1)
        publisher = connect(server)
        for _ in range(5):
            publisher.sendall(request("PUBLISH", "a" * 1000, "x"))
            publisher.recv(100)
        return waits.end()[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=["fanout", "floor", "channels", "events", "lame", "million"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipeline", type=int, help="of `channels`")
    parser.add_argument("servers", nargs="+")
    options = parser.parse_args()
    run = globals()[options.scenario]
    more = {"pipeline": options.pipeline} if options.pipeline else {}
    figures = {command: [] for command in options.servers}
    for _ in range(options.rounds):
        for command in options.servers:
            figures[command].append(run(command, **more))
    for command, of_rounds in figures.items():
        middles = [statistics.median(values) for values in zip(*of_rounds)]
        print(command, " ".join(f"{middle:.3f}" for middle in middles), of_rounds, flush=True)


if __name__ == "__main__":
    main()
