"""What a request costs by what the cores wait in: CPU of the whole server for a GET and a SET, on io_uring, on epoll, and of other servers.

    python3 benches/backends.py [--rounds 5] TORC [SERVER...]

50 connections, 1 and 16 commands at a time, values of 64 bytes. TORC and each SERVER is a command line, such as
'target/release/torc --cores 1'; TORC is run with --io-backend uring and with --io-backend epoll. Rounds alternate between servers;
medians are printed, and their ratio to the first. Needs the program redis-benchmark.
"""

import argparse
import statistics
import subprocess
import tempfile

from servers import Server, cpu_seconds

COMMANDS = {1: 300_000, 16: 1_500_000}


def costs(command):
    """CPU for a command, us, by kind of command and how many are sent at a time."""
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        server = Server(command, directory)
        try:
            for pipeline, count in COMMANDS.items():
                for kind in ("set", "get"):
                    words = ["redis-benchmark", "-p", str(server.port), "-P", str(pipeline), "-n", str(count)]
                    before = cpu_seconds(server.process.pid)
                    subprocess.run([*words, "-r", "100000", "-d", "64", "-q", "-t", kind], check=True, capture_output=True)
                    found[kind, pipeline] = (cpu_seconds(server.process.pid) - before) / count * 1e6
        finally:
            server.kill()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("torc")
    parser.add_argument("servers", nargs="*")
    options = parser.parse_args()
    commands = [f"{options.torc} --io-backend {backend}" for backend in ("uring", "epoll")] + options.servers
    rounds = [{command: costs(command) for command in commands} for _ in range(options.rounds)]
    for pipeline in COMMANDS:
        for kind in ("get", "set"):
            print(f"{kind}, {pipeline} at a time")
            medians = {command: statistics.median(round_[command][kind, pipeline] for round_ in rounds) for command in commands}
            for command, median in medians.items():
                print(f"  {median:7.3f} us {median / medians[commands[0]]:6.2f}  {command}")


main()
