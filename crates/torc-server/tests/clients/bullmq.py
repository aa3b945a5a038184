"""BullMQ, whose workers run in processes of their own. No job is lost, none runs twice, none stays, not even those of a worker that is killed."""

import os
import signal
import subprocess

from _harness import equal, main, serve

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bullmq")


def run(what):
    with serve(2) as server:
        words = [os.environ["TORC_NODE"], "client.js", str(server.port), server.directory.name, what]
        # A group of its own, so that no worker survives it.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        client = subprocess.Popen(words, cwd=FOLDER, start_new_session=True, **pipes)
        try:
            output, errors = client.communicate(timeout=110)
        finally:
            if client.poll() != 0:
                os.killpg(client.pid, signal.SIGKILL)
        equal((client.returncode, output, errors[:500]), (0, "all done\n", ""))


def jobs():
    run("jobs")


def priorities():
    run("priorities")


def flows():
    run("flows")


def schedulers():
    run("schedulers")


def limits():
    run("limits")


def a_worker_that_is_killed():
    run("killed")


main([jobs, priorities, flows, schedulers, limits, a_worker_that_is_killed])
