"""redis-benchmark against the real binary: the standard loads end without errors, with plausible figures."""

import re

from _harness import equal, holds, main, run, serve

TESTS = "ping_inline,ping_mbulk,set,get,incr,mset"
NAMES = ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"]


def check(port, *arguments):
    status, printed = run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-t", TESTS, "-q", *arguments])
    printed = printed.replace("\r", "\n")
    equal((status, "rror" in printed and printed[-800:]), (0, False))
    for name in NAMES:
        holds(re.search(rf"^{re.escape(name)}: \d+\.\d+ requests per second", printed, re.M), f"{name}: {printed[-800:]}")


def load(cores, *arguments):
    with serve(cores) as server:
        check(server.port, "-n", "20000", *arguments)
        # It still serves, and everybody is gone.
        _, info = run(["redis-cli", "-p", str(server.port), "info", "clients"])
        holds("connected_clients:1\r\n" in info.replace("\n", "\r\n").replace("\r\r", "\r"), info)


def pipelined_one_core():
    load(1, "-P", "16")


def pipelined_two_cores():
    load(2, "-P", "16")


def pipelined_random_keys():
    load(3, "-P", "16", "-r", "100000")


def unpipelined():
    load(2, "-c", "50")


def large_values():
    load(2, "-d", "10000", "-P", "4")


def deep_pipelines():
    load(3, "-P", "500", "-c", "20", "-r", "1000")


def threads():
    load(2, "-P", "16", "--threads", "2")


def resp3():
    load(2, "-P", "16", "-3")


def cluster_mode():
    with serve(3, "--core-ports", "yes") as server:
        check(server.port + 1, "-n", "20000", "-P", "16", "-r", "100000", "--cluster")


main(
    [
        pipelined_one_core,
        pipelined_two_cores,
        pipelined_random_keys,
        unpipelined,
        large_values,
        deep_pipelines,
        threads,
        resp3,
        cluster_mode,
    ]
)
