"""What durability costs, and what becomes of clients meanwhile.

    python3 benches/durability.py off|everysec|always|snapshot|reads|bighash|floor|stall [--rounds 4] SERVER...

off       SETs, and GETs, in pipelines of 16 with nothing to be saved, of several builds in turn: CPU of the whole process for each.
everysec  SETs in pipelines of 16, without a log and with one: CPU of the whole process for each.
always    One client beside a bare write and fdatasync; 64 clients: SETs a second and for each fsync; readers beside writers.
snapshot  Keys, half of the commands writes, and BGSAVE: resident memory, GETs, and HSETs of one hash of a million fields.
reads     Keys, GETs alone, and one BGSAVE after another.
bighash   HSETs of one hash of a million fields all the time, and one BGSAVE after another.
floor     What scheduling alone does to readers: GETs beside an unrelated busy process, and beside 64 writers without a log, with one
          that is synced each second, and with `always` on a disk and in memory.
stall     A filesystem that answers no write for five seconds, with everysec. Needs root and a loop device.

A SERVER is a command line, such as 'target/release/torc --cores 1'; it gets a port and a directory. Times are of the load generator.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time

from servers import Server, cpu_seconds, resident_mb

LOAD = "target/release/load"
FROZEN_SECONDS = 5


def load(server, *options):
    """What the load generator reports, by name."""
    words = [LOAD, "--port", str(server.port), *(str(option) for option in options)]
    line = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return {name: float(value) for name, value in (word.split("=") for word in line)}


@contextlib.contextmanager
def serving(command, *more, directory=None):
    with tempfile.TemporaryDirectory() as temporary:
        server = Server(command, directory or temporary, *more)
        try:
            yield server
        finally:
            server.kill()


def cost(command, *more, ratio="1:0"):
    """CPU for a SET of a pipeline of 16, ns; with another ratio, of what it says, of keys that are there."""
    with serving(command, *more) as server:
        if ratio != "1:0":
            load(server, "--prefill", "--data-size", 32, "--seconds", 0)
        before = cpu_seconds(server.process.pid)
        commands = int(server.info("total_commands_processed"))
        load(server, "--ratio", ratio, "--pipeline", 16, "--data-size", 32, "--seconds", 4, "--warmup", 0)
        commands = int(server.info("total_commands_processed")) - commands
        return (cpu_seconds(server.process.pid) - before) / commands * 1e9


def off(commands, rounds):
    for kind, ratio in [("SET", "1:0"), ("GET", "0:1")]:
        figures = {command: [] for command in commands}
        for _ in range(rounds):
            for command in commands:
                figures[command].append(cost(command, ratio=ratio))
        first = figures[commands[0]]
        for command, values in figures.items():
            ratios = [value / beside for value, beside in zip(values, first)]
            print(
                f"{command}: {kind} {statistics.median(values):.0f} ns, {statistics.median(ratios):.3f} of the first"
                f" ({min(ratios):.2f} to {max(ratios):.2f})",
                flush=True,
            )


def everysec(command, rounds):
    kinds = [("no log", ["--appendonly", "no"]), ("everysec", ["--appendonly", "yes", "--appendfsync", "everysec"])]
    kinds.append(("everysec, no rewrites", [*kinds[1][1], "--auto-aof-rewrite-percentage", "0"]))
    figures = {name: [] for name, _ in kinds}
    for _ in range(rounds):
        for name, options in kinds:
            figures[name].append(cost(command, *options))
    without = statistics.median(figures["no log"])
    for name, values in figures.items():
        middle = statistics.median(values)
        print(f"{command}: {name}: {middle:.0f} ns, {middle / without:.2f} of without", flush=True)


def bare_fdatasync(writes=2000):
    """p99 of a write and its fdatasync, microseconds."""
    times = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(writes):
            began = time.monotonic()
            os.write(file.fileno(), b"x" * 100)
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - began)
    return statistics.quantiles(times, n=100)[98] * 1e6


def always(command, rounds):
    options = ["--appendonly", "yes", "--appendfsync", "always"]
    for _ in range(rounds):
        bare = bare_fdatasync()
        with serving(command, *options) as server:
            one = load(server, "--ratio", "1:0", "--connections", 1, "--seconds", 3)
        with serving(command, *options) as server:
            many = load(server, "--ratio", "1:0", "--connections", 64, "--seconds", 3)
            syncs = int(server.info("torc_aof_fsyncs") or 0)
            written = int(server.info("total_commands_processed"))
        with serving(command, *options) as server:
            load(server, "--ratio", "0:1", "--prefill", "--keyspace", 10000, "--seconds", 0)
            quiet = load(server, "--ratio", "0:1", "--keyspace", 10000, "--connections", 8, "--seconds", 2)
            beside = readers_beside_writers(server)
        each = f", {written / syncs:.0f} for each fsync" if syncs else ""
        print(
            f"{command}: bare p99 {bare:.0f} us, one client p99 {one['p99_us']:.0f} us;"
            f" 64 clients {many['ops_per_sec']:.0f} SETs/s{each};"
            f" readers p99.9 {quiet['p99_9_us']:.0f} us alone, {beside['p99_9_us']:.0f} us beside writers",
            flush=True,
        )


def snapshot(command, rounds, keys=5_000_000):
    for _ in range(rounds):
        with serving(command, "--appendonly", "no") as server:
            server.call("DEBUG", "POPULATE", str(keys), "key", "32")
            fields = ["--command", "HSET big __key__ __data__"]
            load(server, *fields, "--keyspace", 1_000_000, "--pipeline", 64, "--seconds", 3, "--warmup", 0)
            mixed = ["--ratio", "1:1", "--key-prefix", "key:", "--keyspace", keys, "--connections", 20, "--data-size", 32]
            before = load(server, *mixed, "--seconds", 3)
            resident = resident_mb(server.process.pid)
            hashed = load(server, *fields, "--keyspace", 1_000_000, "--connections", 2, "--seconds", 2)
            peak, ends = [resident], []
            server.call("BGSAVE")

            def watch():
                while not ends:
                    peak.append(resident_mb(server.process.pid) + sum(map(resident_mb, children(server.process.pid))))
                    time.sleep(0.02)

            watcher = threading.Thread(target=watch)
            watcher.start()
            hashes = []
            writer = threading.Thread(
                target=lambda: hashes.append(
                    load(server, *fields, "--keyspace", 1_000_000, "--connections", 2, "--seconds", 3, "--warmup", 0)
                )
            )
            writer.start()
            during = load(server, *mixed, "--seconds", 3, "--warmup", 0)
            writer.join()
            was_saving = server.info("rdb_bgsave_in_progress")
            ends.append(True)
            watcher.join()
            print(
                f"{command}: resident {resident} MB, at most {max(peak)} MB ({max(peak) / resident:.2f});"
                f" p99.9 {before['p99_9_us']:.0f} us before, {during['p99_9_us']:.0f} us while saving;"
                f" HSET of the big hash p99.9 {hashed['p99_9_us']:.0f} us before, {hashes[0]['p99_9_us']:.0f} us;"
                f" saving at the end: {was_saving}",
                flush=True,
            )


@contextlib.contextmanager
def saving(server):
    """One BGSAVE after another, by a connection of its own."""
    ends = threading.Event()
    watcher = server.another()

    def save():
        while not ends.is_set():
            if watcher.info("rdb_bgsave_in_progress") == "0":
                watcher.call("BGSAVE")
            time.sleep(0.01)

    saver = threading.Thread(target=save)
    saver.start()
    try:
        yield
    finally:
        ends.set()
        saver.join()


def compare(server, what, *options):
    """p99.9 of a load without a save and with one, printed."""
    quiet = load(server, *options, "--seconds", 4)
    with saving(server):
        beside = load(server, *options, "--seconds", 4)
    print(
        f"{server.command}: {what} p99.9 {quiet['p99_9_us']:.0f} us before, {beside['p99_9_us']:.0f} us while saving"
        f" ({beside['p99_9_us'] / quiet['p99_9_us']:.2f}); p99 {quiet['p99_us']:.0f} and {beside['p99_us']:.0f} us;"
        f" longest {quiet['max_us'] / 1000:.1f} and {beside['max_us'] / 1000:.1f} ms;"
        f" a second {quiet['ops_per_sec']:.0f} and {beside['ops_per_sec']:.0f}",
        flush=True,
    )


def reads(command, rounds, keys=5_000_000):
    with serving(command, "--appendonly", "no") as server:
        load(server, "--prefill", "--keyspace", keys, "--data-size", 32, "--seconds", 0)
        for _ in range(rounds):
            compare(server, "GET", "--ratio", "0:1", "--keyspace", keys, "--data-size", 32, "--connections", 8)


def bighash(command, rounds, fields=1_000_000):
    with serving(command, "--appendonly", "no") as server:
        hset = ["--command", "HSET big __key__ __data__", "--data-size", 32, "--keyspace", fields]
        load(server, "--fill", "HSET big __key__ __data__", "--data-size", 32, "--keyspace", fields, "--seconds", 0)
        assert server.call("HLEN", "big") == f":{fields}\r\n".encode()
        for _ in range(rounds):
            compare(server, "HSET", *hset, "--connections", 2)


@contextlib.contextmanager
def burning(*how):
    """A process that has nothing to do with the server and always wants a CPU."""
    burner = subprocess.Popen([*how, "python3", "-c", "while True: pass"])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


def floor(command, rounds, keys=2_000_000):
    gets = ["--ratio", "0:1", "--keyspace", keys, "--data-size", 32, "--connections", 8, "--seconds", 2]
    quiet = contextlib.nullcontext
    with serving(command, "--appendonly", "no") as server:
        load(server, "--prefill", "--keyspace", keys, "--data-size", 32, "--seconds", 0)
        kinds = [
            ("alone", quiet),
            ("while saving", lambda: saving(server)),
            ("beside a busy process", burning),
            ("beside one with nice 19", lambda: burning("nice", "-n", "19")),
        ]
        for _ in range(rounds):
            for name, beside in kinds:
                with beside():
                    tell_readers(command, name, load(server, *gets))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        logged = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"]
        always = [*logged, "--appendfsync", "always"]
        kinds = [
            ("no log", [], None),
            ("everysec", logged, None),
            ("always", always, None),
            ("always, in memory", always, memory),
        ]
        for _ in range(rounds):
            for name, options, directory in kinds:
                directory = directory and tempfile.mkdtemp(dir=directory)
                tell_readers(command, f"beside 64 writers, {name}", beside_writers(command, options, directory))


def beside_writers(command, options, directory):
    """GETs of keys that are there, beside writers."""
    with serving(command, *options, directory=directory) as server:
        load(server, "--ratio", "0:1", "--prefill", "--keyspace", 10000, "--seconds", 0)
        return readers_beside_writers(server)


def readers_beside_writers(server):
    """GETs of 8 connections beside SETs of 64."""
    writers = ["--ratio", "1:0", "--key-prefix", "w:", "--connections", 64, "--seconds", 4]
    writer = threading.Thread(target=load, args=(server, *writers))
    writer.start()
    time.sleep(0.5)
    figures = load(server, "--ratio", "0:1", "--keyspace", 10000, "--connections", 8, "--seconds", 2)
    writer.join()
    return figures


def tell_readers(command, what, figures):
    print(
        f"{command}: GET {what}: p99.9 {figures['p99_9_us']:.0f} us, p99 {figures['p99_us']:.0f} us,"
        f" {figures['ops_per_sec']:.0f} a second",
        flush=True,
    )


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(child) for child in listed.read().split()]


def stall(command, rounds):
    with tempfile.TemporaryDirectory() as directory:
        image, mount = os.path.join(directory, "image"), os.path.join(directory, "mount")
        os.mkdir(mount)
        with open(image, "wb") as file:
            file.truncate(1 << 30)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        subprocess.run(["mount", "-o", "loop", image, mount], check=True)
        try:
            for number in range(rounds):
                frozen(command, os.path.join(mount, str(number)))
        finally:
            subprocess.run(["umount", mount], check=True)


def frozen(command, directory):
    os.mkdir(directory)
    options = ["--appendonly", "yes", "--appendfsync", "everysec"]
    with serving(command, *options, directory=directory) as server:
        timer = threading.Timer(1.0, lambda: subprocess.run(["fsfreeze", "-f", os.path.dirname(directory)], check=True))
        timer.start()
        thaw = threading.Timer(
            1.0 + FROZEN_SECONDS, lambda: subprocess.run(["fsfreeze", "-u", os.path.dirname(directory)], check=True)
        )
        thaw.start()
        figures = load(server, "--ratio", "1:1", "--connections", 8, "--seconds", 1 + FROZEN_SECONDS + 1)
        thaw.join()
        print(
            f"{command}: {figures['ops_per_sec']:.0f} commands/s, p99.9 {figures['p99_9_us']:.0f} us,"
            f" at most {figures['max_us'] / 1000:.1f} ms, with a stall of {FROZEN_SECONDS} s",
            flush=True,
        )


def main():
    scenarios = {"everysec": everysec, "always": always, "snapshot": snapshot, "reads": reads, "bighash": bighash, "floor": floor, "stall": stall}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", choices=["off", *scenarios])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("commands", nargs="+")
    options = parser.parse_args()
    if options.scenario == "off":
        return off(options.commands, options.rounds)
    for command in options.commands:
        scenarios[options.scenario](command, options.rounds)


if __name__ == "__main__":
    main()
