"""What encryption costs, beside other servers: CPU of the whole server for a command and for a new connection, memory of an idle one.

    python3 benches/tls.py [--rounds 5] SERVER...

get, set   redis-benchmark, 50 connections, 16 commands at a time, values of 64 bytes.
p256, rsa  New connections, each with a whole handshake, for a certificate with a key on P-256 or of RSA with 2,048 bits.
idle       Resident memory for each of 2,000 connections that have sent one PING.

A SERVER is a command line, such as 'target/release/torc --cores 1'. Rounds alternate between servers; medians are printed, and their
ratio to the first server's. Needs the programs openssl and redis-benchmark.
"""

import argparse
import contextlib
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

from servers import Server, cpu_seconds, free_port

COMMANDS = 400_000
HANDSHAKES = 1_500
IDLE = 2_000


def make_certificates(directory):
    """Files of two servers: p256.crt, p256.key, rsa.crt, rsa.key."""
    kinds = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "rsa": ["rsa:2048"]}
    for name, kind in kinds.items():
        words = ["openssl", "req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-newkey", *kind]
        words += ["-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.crt"]
        subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def running(command, certificates, kind):
    """A server with an encrypted port."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-ca-cert-file", f"{certificates}/{kind}.crt"]
        options += ["--tls-cert-file", f"{certificates}/{kind}.crt", "--tls-key-file", f"{certificates}/{kind}.key"]
        server = Server(command, directory, *options)
        try:
            yield server, port
        finally:
            server.kill()


def connect(port):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    stream.sendall(b"PING\r\n")
    assert stream.recv(16) == b"+PONG\r\n"
    return stream


def cost_of_commands(command, certificates, test):
    """CPU for a command, us."""
    with running(command, certificates, "p256") as (server, port):
        words = ["redis-benchmark", "--tls", "--cacert", f"{certificates}/p256.crt", "--insecure", "-p", str(port), "-P", "16"]
        words += ["-n", str(COMMANDS), "-r", "100000", "-d", "64", "-q", "-t", test]
        before = cpu_seconds(server.process.pid)
        subprocess.run(words, check=True, capture_output=True)
        return (cpu_seconds(server.process.pid) - before) / COMMANDS * 1e6


def cost_of_connections(command, certificates, kind):
    """CPU for a new connection, us."""
    with running(command, certificates, kind) as (server, port):
        before = cpu_seconds(server.process.pid)
        for _ in range(HANDSHAKES):
            connect(port).close()
        return (cpu_seconds(server.process.pid) - before) / HANDSHAKES * 1e6


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def memory_of_idle(command, certificates, _):
    """Resident memory for a connection, KiB."""
    with running(command, certificates, "p256") as (server, port):
        warm = [connect(port) for _ in range(100)]
        before = resident_kb(server.process.pid)
        held = [connect(port) for _ in range(IDLE)]
        # The allocator gives back what handshakes have left.
        time.sleep(2)
        used = resident_kb(server.process.pid) - before
        for stream in warm + held:
            stream.close()
        return used / IDLE


MEASURED = {
    "get": (cost_of_commands, "us"),
    "set": (cost_of_commands, "us"),
    "p256": (cost_of_connections, "us"),
    "rsa": (cost_of_connections, "us"),
    "idle": (memory_of_idle, "KiB"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=MEASURED)
    parser.add_argument("servers", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as certificates:
        make_certificates(certificates)
        for name, (measure, unit) in MEASURED.items():
            if options.only in (None, name):
                report(name, unit, options, lambda server: measure(server, certificates, name))


def report(name, unit, options, measure):
    rounds = [[measure(server) for server in options.servers] for _ in range(options.rounds)]
    medians = [statistics.median(round_[index] for round_ in rounds) for index in range(len(options.servers))]
    for server, median in zip(options.servers, medians):
        print(f"{name:5} {median:8.2f} {unit:4} {median / medians[0]:6.2f}  {server}", flush=True)


main()
