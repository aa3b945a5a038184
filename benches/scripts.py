"""What scripts cost, beside other servers: CPU of the whole server for each call.

    python3 benches/scripts.py [--pipeline 16] [--rounds 5] SERVER...

limit   A rate limiter on one key: GET, INCR, PEXPIRE.
reads   Three GETs of one key.
lock    Compare and delete, as a lock is given back: GET, of which the answer is no.
open    A counter whose key is put together in the script, so that it is not declared.

A SERVER is a command line, such as 'target/release/torc --cores 1'. Keys are chosen at random among 100,000; calls are EVALSHA.
"""

import argparse
import statistics
import subprocess
import tempfile

from servers import Server, cpu_seconds

LOAD = "target/release/load"
SECONDS = 3

SCRIPTS = {
    "limit": (
        "local n = tonumber(redis.call('get', KEYS[1]) or '0') if n >= tonumber(ARGV[1]) then return 0 end "
        "redis.call('incr', KEYS[1]) redis.call('pexpire', KEYS[1], ARGV[2]) return 1",
        "1 __key__ 1000000 60000",
    ),
    "reads": (
        "return {redis.call('get', KEYS[1]), redis.call('get', KEYS[1]), redis.call('get', KEYS[1])}",
        "1 __key__",
    ),
    "lock": (
        "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end",
        "1 __key__ token",
    ),
    "open": ("return redis.call('incr', 'counter:' .. ARGV[1])", "0 __key__"),
}


def cost(command, script, arguments, pipeline):
    """CPU for a call, us."""
    with tempfile.TemporaryDirectory() as directory:
        server = Server(command, directory)
        try:
            sha = load_script(server, script)
            words = [LOAD, "--port", str(server.port), "--pipeline", str(pipeline), "--seconds", str(SECONDS), "--warmup", "0"]
            words += ["--command", f"EVALSHA {sha} {arguments}"]
            before, calls = cpu_seconds(server.process.pid), calls_of(server)
            subprocess.run(words, check=True, capture_output=True)
            return (cpu_seconds(server.process.pid) - before) / (calls_of(server) - calls) * 1e6
        finally:
            server.kill()


def load_script(server, script):
    text = script.encode()
    server.connection.sendall(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$%d\r\n%s\r\n" % (len(text), text))
    return server.connection.recv(4096).split(b"\r\n")[1].decode()


def calls_of(server):
    """Calls of EVALSHA so far."""
    statistics_of = server.info("cmdstat_evalsha")
    return int(statistics_of.split("calls=")[1].split(",")[0]) if statistics_of else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pipeline", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=SCRIPTS, action="append")
    parser.add_argument("servers", nargs="+")
    options = parser.parse_args()
    for name in options.only or SCRIPTS:
        rounds = [
            [cost(server, *SCRIPTS[name], options.pipeline) for server in options.servers] for _ in range(options.rounds)
        ]
        for server, costs in zip(options.servers, zip(*rounds)):
            print(f"{name:6} {statistics.median(costs):7.3f} us ({min(costs):.3f} to {max(costs):.3f})  {server}", flush=True)


if __name__ == "__main__":
    main()
