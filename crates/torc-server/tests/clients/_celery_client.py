"""Has tasks run and checks what comes of them; prints what is wrong, or `all done`. Run by `celery_tasks.py` with Celery's Python."""

import collections
import sys
import threading
import time

from celery import chord, group
from celery.exceptions import TimeoutError

from _celery_app import add, app, third_time, total, waits_for

LIMIT_S = 60
TASKS = 500
KINDS = ["task-sent", "task-received", "task-started", "task-succeeded"]


def listening_to_events(seen):
    """Counts every event by kind and task from now on."""
    listening = threading.Event()

    def note(event):
        if event["type"] in KINDS:
            seen.update([(event["type"], event["uuid"])])

    def listen():
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": note})
            with receiver.consumer_context(wakeup=True):
                listening.set()
                receiver.capture(limit=None, timeout=None, wakeup=False)

    threading.Thread(target=listen, daemon=True).start()
    assert listening.wait(LIMIT_S), "nobody listens"
    # The exchange of events has a queue only from the subscription on; that it is there no event tells.
    time.sleep(0.5)


def results_and_events():
    seen = collections.Counter()
    listening_to_events(seen)
    results = [add.delay(number, number) for number in range(TASKS)]
    assert [result.get(timeout=LIMIT_S) for result in results] == [2 * number for number in range(TASKS)], "results"
    assert group(add.s(number, 1) for number in range(20))().get(timeout=LIMIT_S) == list(range(1, 21)), "a group"
    chords = [chord([add.s(number, number) for number in range(20)])(total.s()) for _ in range(5)]
    assert [result.get(timeout=LIMIT_S) for result in chords] == [380] * 5, "chords"
    chain = (add.s(1, 2) | add.s(3) | add.s(4))()
    assert chain.get(timeout=LIMIT_S) == 10, "a chain"
    tasks = TASKS + 20 + 5 * 21 + 3
    deadline = time.monotonic() + LIMIT_S
    while len(seen) < tasks * len(KINDS) and time.monotonic() < deadline:
        time.sleep(0.05)
    counts = collections.Counter(kind for kind, _ in seen)
    assert all(counts[kind] == tasks for kind in KINDS), f"events are lost: {counts} of {tasks} each"
    assert set(seen.values()) == {1}, "events come twice"
    later = [add.apply_async((number, number), countdown=0.2) for number in range(20)]
    assert [result.get(timeout=LIMIT_S) for result in later] == [2 * number for number in range(20)], "tasks for later"
    tried = [third_time.delay() for _ in range(20)]
    assert [result.get(timeout=LIMIT_S) for result in tried] == [2] * 20, "tasks that are tried again"
    nothing_is_left()


def nothing_is_left():
    """No task waits, and none is held by a worker."""
    client, deadline = app.connection().default_channel.client, time.monotonic() + LIMIT_S
    while left := [key for key in ("celery", "unacked", "unacked_index") if client.exists(key)]:
        assert time.monotonic() < deadline, f"{left} stay"
        time.sleep(0.05)


def send(path, number):
    """Tasks that go on when there is a file at this path; gives their names."""
    print(*[waits_for.delay(path, number).id for number in range(int(number))])


def result_of(name):
    """The result of a task that may end just now.

    Celery subscribes to its end on one connection and at once, before that is answered, looks on another one whether it has
    ended. On several cores the look may come first: a task that ends between the two is not told of, and is looked at again.
    """
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            return app.AsyncResult(name).get(timeout=LIMIT_S / 20)
        except TimeoutError:
            if time.monotonic() > deadline:
                raise


def collect(*names):
    got = [result_of(name) for name in names]
    assert got == list(range(len(names))), f"results of tasks whose worker was killed: {got}"
    nothing_is_left()
    print("all done")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["send", *words]:
            send(*words)
        case ["collect", *names]:
            collect(*names)
        case _:
            results_and_events()
            print("all done")
