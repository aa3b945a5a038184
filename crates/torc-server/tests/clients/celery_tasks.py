"""Celery with Torc as its broker and for its results: tasks, groups, chords, their events, and a worker that is killed."""

import contextlib
import os
import signal
import subprocess
import time

import redis

from _harness import LIMIT_S, equal, holds, main, serve

FOLDER = os.path.dirname(os.path.abspath(__file__))
TASKS = 100
VISIBILITY_S = 2


def environment(server, **more):
    return {**os.environ, "TORC_PORT": str(server.port), **more}


@contextlib.contextmanager
def working(environment):
    """A worker with Celery's defaults: a process for each CPU."""
    words = [os.environ["TORC_CELERY_PYTHON"], "-m", "celery", "-A", "_celery_app", "worker", "-l", "WARNING"]
    # A group of its own, so that the whole of it can be killed.
    worker = subprocess.Popen(
        words, cwd=FOLDER, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield worker
        worker.terminate()
        worker.wait(LIMIT_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def client(environment, *words):
    command = [os.environ["TORC_CELERY_PYTHON"], "_celery_client.py", *words]
    done = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=100, check=False)
    equal((done.returncode, done.stderr[-500:]), (0, ""))
    return done.stdout


def tasks_results_and_events():
    with serve(2) as server, working(environment(server)):
        equal(client(environment(server)), "all done\n")


def a_worker_that_is_killed():
    with serve(2) as server:
        around = environment(server, TORC_VISIBILITY_S=str(VISIBILITY_S))
        path, connection = os.path.join(server.directory.name, "go"), redis.Redis(port=server.port)
        names = client(around, "send", path, str(TASKS)).split()
        with working(around) as worker:
            deadline = time.monotonic() + LIMIT_S
            # As many as it takes at most: while it takes some, one may be neither here nor there.
            while (held := connection.hlen("unacked")) < 4 * os.cpu_count():
                holds(time.monotonic() < deadline, f"only {held} tasks are taken")
                time.sleep(0.05)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        equal((connection.hlen("unacked"), connection.llen("celery")), (held, TASKS - held))
        with open(path, "w", encoding="utf-8"), working(around):
            equal(client(around, "collect", *names), "all done\n")


main([tasks_results_and_events, a_worker_that_is_killed])
