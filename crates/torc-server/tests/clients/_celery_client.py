"""Has tasks run, and listens to their events; prints what is wrong, or `all done`. Run by `celery_tasks.py` with Celery's Python."""

import collections
import threading
import time

from celery import chord, group

from _celery_app import add, app, total

LIMIT_S = 30
TASKS = 200
KINDS = ["task-sent", "task-received", "task-started", "task-succeeded"]


def main():
    seen, listening = collections.Counter(), threading.Event()

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
    time.sleep(0.5)
    results = [add.delay(number, number) for number in range(TASKS)]
    assert [result.get(timeout=LIMIT_S) for result in results] == [2 * number for number in range(TASKS)], "results"
    assert group(add.s(number, 1) for number in range(20))().get(timeout=LIMIT_S) == list(range(1, 21)), "a group"
    assert chord([add.s(number, number) for number in range(20)])(total.s()).get(timeout=LIMIT_S) == 380, "a chord"
    tasks = TASKS + 20 + 21
    deadline = time.monotonic() + LIMIT_S
    while len(seen) < tasks * len(KINDS) and time.monotonic() < deadline:
        time.sleep(0.05)
    counts = collections.Counter(kind for kind, _ in seen)
    assert all(counts[kind] == tasks for kind in KINDS), f"events are lost: {counts} of {tasks} each"
    assert set(seen.values()) == {1}, "events come twice"
    print("all done", flush=True)


main()
