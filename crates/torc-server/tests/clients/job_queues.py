"""Job queues in Python whose workers run in processes of their own: RQ, huey, arq, dramatiq. No job is lost, none runs twice, none stays."""

import contextlib
import os
import signal
import subprocess

from _harness import LIMIT_S, equal, holds, main, serve

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_jobs")
SENDERS, WORKERS = 2, 2
PYTHON = os.environ.get("TORC_JOBS_PYTHON", "python3")


def environment(server, **more):
    around = {**os.environ, "TORC_PORT": str(server.port), "TORC_DONE": os.path.join(server.directory.name, "done"), **more}
    return {**around, "PYTHONPATH": FOLDER, "PATH": f"{os.path.dirname(PYTHON)}:{os.environ['PATH']}"}


@contextlib.contextmanager
def working(around, words, number=WORKERS):
    """So many workers; each is told to end, and must."""
    # Groups of their own, so that the whole of each can be killed. What they say of jobs that fail is of no use.
    options = {"cwd": FOLDER, "env": around, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    workers = [subprocess.Popen([PYTHON, *words], start_new_session=True, **options) for _ in range(number)]
    try:
        yield workers
        [worker.terminate() for worker in workers]
        [worker.wait(LIMIT_S) for worker in workers]
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def started(around, *words):
    command = [PYTHON, "client.py", *map(str, words)]
    return subprocess.Popen(command, cwd=FOLDER, env=around, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    """What a client printed; it must have succeeded."""
    try:
        output, errors = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    equal((process.returncode, errors[-500:]), (0, ""))
    return output


def run(module, *worker):
    with serve(2) as server:
        around = environment(server)
        words = [word.replace("URL", f"redis://127.0.0.1:{server.port}") for word in worker]
        with working(around, words):
            senders = [started(around, module, "send", number) for number in range(SENDERS)]
            [ended(sender) for sender in senders]
            equal(ended(started(around, module, "check", SENDERS)), "all done\n")


def rq():
    run("rq_jobs", "-m", "rq.cli", "worker", "--with-scheduler", "--url", "URL")


def huey():
    run("huey_jobs", "-m", "huey.bin.huey_consumer", "huey_jobs.huey", "--workers", "4")


def huey_priorities():
    with serve(2) as server:
        equal(ended(started(environment(server), "huey_jobs", "priorities")), "all done\n")


def arq():
    run("arq_jobs", "-m", "arq", "arq_jobs.WorkerSettings")


def dramatiq():
    run("dramatiq_jobs", "-m", "dramatiq", "dramatiq_jobs")


def dramatiq_whose_worker_is_killed():
    with serve(2) as server:
        around, path = environment(server, TORC_SOON="yes"), os.path.join(server.directory.name, "go")
        ended(started(around, "dramatiq_jobs", "hold", path))
        with working(around, ["-m", "dramatiq", "dramatiq_jobs"], 1) as (worker,):
            holds(int(ended(started(around, "dramatiq_jobs", "some_are_held"))) > 0, "jobs are taken")
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        with open(path, "w", encoding="utf-8"), working(around, ["-m", "dramatiq", "dramatiq_jobs"], 1):
            equal(ended(started(around, "dramatiq_jobs", "all_ran")), "all done\n")


main([rq, huey, huey_priorities, arq, dramatiq, dramatiq_whose_worker_is_killed])
