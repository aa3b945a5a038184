"""What the way to the data costs: CPU of the whole server for a GET, through each kind of socket and with each kind of rights.

    python3 benches/access.py [--rounds 5] SERVER

tcp, unix         50 connections, one command at a time, through the port and through the unix socket.
default           50 connections, 16 commands at a time, by the default user, who may do everything.
patterns          The same by a user who may GET and SET keys of ten patterns, of which the last allows the key.

SERVER is a command line, such as 'target/release/torc --cores 1'. Rounds alternate; medians are printed, and their ratio to the first of
their kind. Needs the program redis-benchmark.
"""

import argparse
import statistics
import subprocess
import tempfile

from servers import Server, cpu_seconds

COMMANDS = {1: 200_000, 16: 1_000_000}
PATTERNS = " ".join(f"~other{number}:*" for number in range(9)) + " ~key:*"

CASES = {
    "tcp": (1, lambda port, path: ["-p", str(port)]),
    "unix": (1, lambda port, path: ["-s", path]),
    "default": (16, lambda port, path: ["-p", str(port)]),
    "patterns": (16, lambda port, path: ["-p", str(port), "--user", "limited", "-a", "word"]),
}


def cost(command, pipeline, way):
    """CPU for a command, us."""
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/socket"
        server = Server(command, directory, "--unixsocket", path)
        try:
            server.call("ACL", "SETUSER", "limited", "on", ">word", "-@all", "+get", "+set", "+config", *PATTERNS.split())
            words = ["redis-benchmark", *way(server.port, path), "-P", str(pipeline), "-n", str(COMMANDS[pipeline])]
            words += ["-r", "100000", "-d", "64", "-q", "-t", "get"]
            before = cpu_seconds(server.process.pid)
            subprocess.run(words, check=True, capture_output=True)
            return (cpu_seconds(server.process.pid) - before) / COMMANDS[pipeline] * 1e6
        finally:
            server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("server")
    options = parser.parse_args()
    rounds = [{name: cost(options.server, *case) for name, case in CASES.items()} for _ in range(options.rounds)]
    medians = {name: statistics.median(round_[name] for round_ in rounds) for name in CASES}
    for name, median in medians.items():
        first = medians["tcp" if CASES[name][0] == 1 else "default"]
        print(f"{name:10} {median:7.3f} us {median / first:6.2f}")


main()
