"""Rate limiters asked by several processes at once let through exactly as much as they may: rate-limiter-flexible, and limits for Python."""

import collections
import json
import os
import subprocess

from _harness import equal, main, serve

FOLDER = os.path.dirname(os.path.abspath(__file__))
PROCESSES = 3


def outputs(folder, *words, number=PROCESSES):
    """What each of so many processes prints, run at once."""
    command = {"cwd": os.path.join(FOLDER, folder), "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*map(str, words)], **command) for _ in range(number)]
    got = []
    for process in running:
        try:
            output, errors = process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            [each.kill() for each in running]
            raise
        equal((process.returncode, errors[-500:]), (0, ""))
        got.append(output)
    return got


def sums(lines):
    total = collections.Counter()
    for line in lines:
        total.update(json.loads(line))
    return dict(total)


def rate_limiter_flexible():
    with serve(2) as server:
        got = sums(outputs("_rate_limiter", os.environ["TORC_NODE"], "client.js", server.port))
        for name in ("ioredis", "redis"):
            of_client = {kind: got[f"{name} {kind}"] for kind in ("a", "b", "c", "bursty", "queue")}
            equal(of_client, {"a": 500, "b": 500, "c": 500, "bursty": 600, "queue": 100 * PROCESSES})


def limits_for_python():
    with serve(2) as server:
        python = os.environ["TORC_JOBS_PYTHON"]
        got = sums(outputs("_jobs", python, "client.py", "limiters", "ask", server.port))
        kinds = ["FixedWindowRateLimiter", "MovingWindowRateLimiter", "SlidingWindowCounterRateLimiter"]
        equal(got, dict.fromkeys(kinds, 400))
        equal(outputs("_jobs", python, "client.py", "limiters", "clear", server.port, number=1), ["all done\n"])


main([rate_limiter_flexible, limits_for_python])
