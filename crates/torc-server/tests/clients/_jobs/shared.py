"""What the jobs of all frameworks share: they note in a file that they have run, so that no server is asked whether it has lost one."""

import collections
import os
import time

PORT = int(os.environ.get("TORC_PORT", "6379"))
URL = f"redis://127.0.0.1:{PORT}/0"
DONE = os.environ.get("TORC_DONE", os.devnull)
LIMIT_S = 60


def note(job):
    """Notes that this job has run. A short write at the end of a file is never mixed with another process's."""
    file = os.open(DONE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{job}\n".encode())
    os.close(file)


def times_run():
    """How often each job has run."""
    try:
        with open(DONE, encoding="utf-8") as file:
            return collections.Counter(file.read().split())
    except FileNotFoundError:
        return collections.Counter()


def until(condition, what):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not {what() if callable(what) else what}"
        time.sleep(0.02)


def each_ran(wanted):
    """Waits until so many times of jobs have run, and checks that they are these."""
    total = sum(wanted.values())
    until(lambda: sum(times_run().values()) >= total, lambda: f"run: {list((wanted - times_run()).items())[:5]}")
    got = times_run()
    assert got == wanted, f"lost {list((wanted - got).items())[:5]}, too often {list((got - wanted).items())[:5]}"
