"""Jobs of dramatiq, who enqueues them, and who checks what has come of them. Run by `job_queues.py`."""

import collections
import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as LimitsBackend
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultsBackend

from shared import URL, each_ran, note, times_run, until

JOBS, SPECIAL, HELD = 1000, 50, 100
SLOTS = 3
# By default a worker counts as gone after a minute, and one command in a thousand looks for such workers.
SOON = {"heartbeat_timeout": 2000, "maintenance_chance": 100_000} if "TORC_SOON" in os.environ else {}
broker = RedisBroker(url=URL, **SOON)
broker.add_middleware(Results(backend=ResultsBackend(url=URL)))
dramatiq.set_broker(broker)
limits = LimitsBackend(url=URL)
slots = ConcurrentRateLimiter(limits, "slots", limit=SLOTS)


@dramatiq.actor(store_results=True)
def double(number):
    note(number)
    return 2 * number


@dramatiq.actor(min_backoff=100, store_results=True)
def fails_first(name):
    note(name)
    if times_run()[name] == 1:
        raise ValueError("the first time")
    return name


@dramatiq.actor(max_retries=None, min_backoff=20, max_backoff=100)
def in_a_slot(name):
    """Runs while it has one of the slots; tried again until it gets one."""
    with slots.acquire():
        inside = broker.client.incr("inside")
        time.sleep(0.005)
        broker.client.decr("inside")
        note(name if inside <= SLOTS else f"{inside} inside")


@dramatiq.actor(max_retries=0)
def fails(_):
    raise ValueError("always")


@dramatiq.actor
def waits_for(path, number):
    while not os.path.exists(path):
        time.sleep(0.01)
    note(number)


def send(sender):
    for number in range(sender * JOBS, (sender + 1) * JOBS):
        double.send(number)


def check(senders):
    results = [double.send(f"result{n}") for n in range(SPECIAL)]
    later = [double.send_with_options(args=(f"later{n}",), delay=500) for n in range(SPECIAL)]
    again = [fails_first.send(f"again{n}") for n in range(SPECIAL)]
    [in_a_slot.send(f"slot{n}") for n in range(SPECIAL)]
    dead = [fails.send(n).options["redis_message_id"].encode() for n in range(SPECIAL)]
    pipe = (double.message(5) | double.message()).run()
    together = dramatiq.group([double.message(f"group{n}") for n in range(SPECIAL)]).run()
    wanted = collections.Counter(str(number) for number in range(senders * JOBS))
    wanted.update(f"{kind}{n}" for kind in ("result", "later", "slot", "group") for n in range(SPECIAL))
    wanted.update([f"again{n}" for n in range(SPECIAL)] * 2)
    wanted.update(["5", "10"])
    for kind, messages in (("result", results), ("later", later)):
        for number, message in enumerate(messages):
            assert message.get_result(block=True, timeout=60_000) == f"{kind}{number}" * 2, "results"
    for number, message in enumerate(again):
        assert message.get_result(block=True, timeout=60_000) == f"again{number}", "results of what failed first"
    assert pipe.get_result(block=True, timeout=60_000) == 20, "a pipe"
    assert list(together.get_results(block=True, timeout=60_000)) == [f"group{n}" * 2 for n in range(SPECIAL)], "a group"
    each_ran(wanted)
    until(lambda: len(broker.client.zrange("dramatiq:default.XQ", 0, -1)) == SPECIAL, "all that fail among the dead")
    assert sorted(broker.client.zrange("dramatiq:default.XQ", 0, -1)) == sorted(dead), "the dead"
    assert broker.client.hlen("dramatiq:default.XQ.msgs") == SPECIAL
    nothing_is_left()


def nothing_is_left():
    until(lambda: broker.do_qsize("default") == 0, lambda: f"empty: {broker.do_qsize('default')} are left")
    assert not broker.client.exists("dramatiq:default", "dramatiq:default.msgs", "dramatiq:default.DQ.msgs")
    print("all done")


def hold(path):
    [waits_for.send(path, number) for number in range(HELD)]


def held():
    """Tasks that workers have taken."""
    return sum(broker.client.scard(key) for key in broker.client.keys("dramatiq:__acks__*"))


def some_are_held():
    until(lambda: held() > 16, "taken")
    print(held())


def all_ran():
    each_ran(collections.Counter(str(number) for number in range(HELD)))
    nothing_is_left()
