"""Celery with Torc as its broker and for its results: tasks, groups, chords, and the events of all of them."""

import os
import subprocess

from _harness import equal, main, serve


def tasks_results_and_events():
    with serve(2) as server:
        python, folder = os.environ["TORC_CELERY_PYTHON"], os.path.dirname(os.path.abspath(__file__))
        environment = {**os.environ, "TORC_PORT": str(server.port)}
        words = [python, "-m", "celery", "-A", "_celery_app", "worker", "-P", "solo", "-l", "WARNING"]
        # One thread: with several of them Celery's own dispatcher loses events, whatever the server.
        worker = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            done = subprocess.run(
                [python, "_celery_client.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
            )
        finally:
            worker.terminate()
            worker.wait()
        equal((done.returncode, done.stdout, done.stderr[-500:]), (0, "all done\n", ""))


main([tasks_results_and_events])
