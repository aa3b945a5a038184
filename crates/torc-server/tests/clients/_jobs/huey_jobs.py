"""Jobs of huey, who enqueues them, and who checks what has come of them. Run by `job_queues.py`."""

import collections
import time

from huey import PriorityRedisHuey, RedisHuey
from huey.contrib.helpers import RedisSemaphore

from shared import URL, each_ran, note, times_run, until

JOBS, SPECIAL = 500, 100
SLOTS = 3
huey = RedisHuey("torc", url=URL)
urgent = PriorityRedisHuey("urgent", url=URL)
semaphore = RedisSemaphore(huey, "slots", SLOTS)


@huey.task()
def double(number):
    note(number)
    return 2 * number


@huey.task(retries=2)
def fails_first(name):
    note(name)
    if times_run()[name] == 1:
        raise ValueError("the first time")
    return name


@huey.task(retries=1000)
def in_a_slot(name):
    """Runs while it has one of the slots; tried again until it gets one."""
    slot = semaphore.acquire()
    if slot is None:
        raise BlockingIOError("no slot is free")
    try:
        inside = huey.storage.conn.incr("inside")
        time.sleep(0.005)
        huey.storage.conn.decr("inside")
    finally:
        semaphore.release(slot)
    note(name if inside <= SLOTS else f"{inside} inside")


@huey.task()
@huey.lock_task("alone")
def alone():
    return True


def send(sender):
    for number in range(sender * JOBS, (sender + 1) * JOBS):
        double(number)


def check(senders):
    chain = double.s(21).then(double)
    results = [double(f"result{n}") for n in range(SPECIAL)]
    later = [double.schedule((f"later{n}",), delay=1) for n in range(SPECIAL)]
    again = [fails_first(f"again{n}") for n in range(SPECIAL)]
    in_slots = [in_a_slot(f"slot{n}") for n in range(SPECIAL)]
    chained = huey.enqueue(chain)
    wanted = collections.Counter(str(number) for number in range(senders * JOBS))
    wanted.update(f"{kind}{n}" for kind in ("result", "later", "slot") for n in range(SPECIAL))
    wanted.update([f"again{n}" for n in range(SPECIAL)] * 2)
    wanted.update(["21", "42"])
    for number, result in enumerate(results):
        assert result.get(blocking=True, timeout=60) == f"result{number}" * 2, "results"
    for number, result in enumerate(later):
        assert result.get(blocking=True, timeout=60) == f"later{number}" * 2, "results of what ran later"
    assert chained.get(blocking=True, timeout=60) == [42, 84], "a chain"
    until(lambda: all(huey.result_count() >= 0 and times_run()[f"again{n}"] == 2 for n in range(SPECIAL)), "all tried again")
    each_ran(wanted)
    until(lambda: huey.pending_count() == huey.scheduled_count() == 0, "empty")
    assert again and in_slots
    print("all done")


def priorities():
    """The most urgent first; of the same urgency, the older."""

    @urgent.task()
    def some(number):
        return number

    for number in range(500):
        some(number, priority=number % 7)
    got = [urgent.dequeue() for _ in range(500)]
    order = [(task.args[0] % 7, task.args[0]) for task in got]
    assert order == sorted(order, key=lambda it: (-it[0], it[1])), "the order"
    assert urgent.dequeue() is None
    print("all done")
