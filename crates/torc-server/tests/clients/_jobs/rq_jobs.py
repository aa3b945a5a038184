"""Jobs of RQ, who enqueues them, and who checks what has come of them. Run by `job_queues.py`."""

import collections
import datetime

import redis
from rq import Queue, Retry
from rq.job import get_current_job

from shared import URL, each_ran, note, times_run, until

JOBS, SPECIAL = 150, 20


def double(number):
    note(number)
    return 2 * number


def fails_first(name):
    note(name)
    if times_run()[name] == 1:
        raise ValueError("the first time")
    return name


def sums(name):
    note(name)
    return sum(job.return_value() for job in get_current_job().fetch_dependencies())


def send(sender):
    queue = Queue(connection=redis.Redis.from_url(URL))
    for number in range(sender * JOBS, (sender + 1) * JOBS):
        queue.enqueue(double, number, job_id=f"double-{number}")


def check(senders):
    connection = redis.Redis.from_url(URL)
    queue = Queue(connection=connection)
    later = [queue.enqueue_in(datetime.timedelta(seconds=1), double, f"later{n}") for n in range(SPECIAL)]
    again = [queue.enqueue(fails_first, f"again{n}", retry=Retry(max=2)) for n in range(SPECIAL)]
    sent = [queue.enqueue(double, f"{n}:", unique=True, job_id=f"unique-{n}") for n in range(SPECIAL)]
    # One each, and none that may be running: RQ leaves a job among those that have started if what depends on it changes as it ends.
    soon = datetime.timedelta(seconds=2)
    parents = [queue.enqueue_in(soon, double, n, job_id=f"parent-{n}") for n in range(SPECIAL)]
    together = [queue.enqueue(sums, f"sum{n}", depends_on=parents[n]) for n in range(SPECIAL)]
    wanted = collections.Counter(str(number) for number in range(senders * JOBS))
    wanted.update([*(f"later{n}" for n in range(SPECIAL)), *(f"{n}:" for n in range(SPECIAL))])
    wanted.update(str(n) for n in range(SPECIAL))
    wanted.update([*(f"again{n}" for n in range(SPECIAL))] * 2 + [f"sum{n}" for n in range(SPECIAL)])
    until(lambda: sum(times_run().values()) >= sum(wanted.values()), lambda: f"run: {list((wanted - times_run()))[:5]}")
    for job in later + again + sent + together:
        until(lambda job=job: job.get_status() == "finished", lambda job=job: f"finished: {job}, {job.get_status()}")
    each_ran(wanted)
    assert [job.return_value() for job in together] == [2 * n for n in range(SPECIAL)], "results of what others depend on"
    assert [job.return_value() for job in again] == [f"again{n}" for n in range(SPECIAL)], "results of what failed first"
    assert all(queue.fetch_job(f"double-{n}").return_value() == 2 * n for n in range(senders * JOBS)), "results"
    registries = [queue.started_job_registry, queue.deferred_job_registry, queue.failed_job_registry]
    left = {type(registry).__name__: registry.get_job_ids() for registry in [*registries, queue.scheduled_job_registry]}
    assert queue.count == 0 and not any(left.values()), f"{queue.count} in the queue, {left}"
    print("all done")
