"""Saving and loading: CPU and wall time of SAVE, and of a start with one file, of several servers in turn.

    python3 benches/save_load.py --rounds 3 'target/release/torc --cores 1' 'target/release/torc --cores 2' redis-server

Each server gets keys by DEBUG POPULATE (values of 32 bytes) and saves them. Then all start with the file of the first one: from the
start of the process until it answers. Figures are medians over the rounds; ratios are of the last server, round by round.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time

from servers import Server, cpu_seconds, resident_mb


def measure_save(command, keys, directory):
    """Megabytes, wall and CPU seconds."""
    server = Server(command, directory)
    server.call("DEBUG", "POPULATE", str(keys), "key", "32")
    cpu, wall = cpu_seconds(server.process.pid), time.monotonic()
    assert server.call("SAVE") == b"+OK\r\n"
    wall, cpu = time.monotonic() - wall, cpu_seconds(server.process.pid) - cpu
    server.kill()
    return megabytes(directory), wall, cpu


def measure_start(command, keys, directory):
    """Megabytes, wall and CPU seconds, and the resident memory in MB behind it."""
    wall = time.monotonic()
    server = Server(command, directory)
    wall, cpu = time.monotonic() - wall, cpu_seconds(server.process.pid)
    assert server.call("DBSIZE") == f":{keys}\r\n".encode()
    resident = resident_mb(server.process.pid)
    server.kill()
    return megabytes(directory), wall, cpu, resident


def megabytes(directory):
    return os.path.getsize(os.path.join(directory, "dump.rdb")) / 1e6


def report(what, figures):
    """A line for each server."""
    beside = list(figures.values())[-1]
    for command, runs in figures.items():
        size, wall, cpu, *resident = (statistics.median(run[index] for run in runs) for index in range(len(runs[0])))
        speeds = [run[0] / run[2] / (other[0] / other[2]) for run, other in zip(runs, beside)]
        walls = [run[1] / other[1] for run, other in zip(runs, beside)]
        print(
            f"{command}: {what} {size:.0f} MB in {wall:.2f} s, CPU {cpu:.2f} s, {size / cpu:.0f} MB a CPU second;"
            f" of the last: {statistics.median(speeds):.2f} as many bytes a CPU second, {statistics.median(walls):.2f} of the time"
            + "".join(f"; resident {it:.0f} MB" for it in resident),
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("commands", nargs="+")
    options = parser.parse_args()
    saves, starts = ({command: [] for command in options.commands} for _ in range(2))
    with tempfile.TemporaryDirectory() as top:
        file = os.path.join(top, "file")
        for _ in range(options.rounds):
            for command in options.commands:
                with tempfile.TemporaryDirectory() as directory:
                    saves[command].append(measure_save(command, options.keys, directory))
                    if not os.path.exists(file):
                        shutil.copy(os.path.join(directory, "dump.rdb"), file)
        report("save", saves)
        for _ in range(options.rounds):
            for command in options.commands:
                with tempfile.TemporaryDirectory() as directory:
                    shutil.copy(file, os.path.join(directory, "dump.rdb"))
                    starts[command].append(measure_start(command, options.keys, directory))
        report("start", starts)


main()
