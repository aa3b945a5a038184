"""Saving and loading: CPU and wall time of SAVE, and of a start with the file, of several servers in turn.

    python3 benches/save_load.py --keys 5000000 'target/release/torc --cores 1' 'target/release/torc --cores 2' redis-server

Each server gets so many keys by DEBUG POPULATE (values of 32 bytes), saves them, is killed, and is started with its own file.
"""

import argparse
import os
import tempfile
import time

from servers import Server, cpu_seconds, resident_mb


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
