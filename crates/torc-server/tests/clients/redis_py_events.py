"""redis-py's publish/subscribe, listeners of keyspace notifications, and its client-side cache: nothing lost, nothing twice, nothing stale."""

import collections
import random
import threading
import time

import redis
from redis.cache import CacheConfig

from _harness import LIMIT_S, equal, holds, main, serve

PUBLISHERS = 4
MESSAGES = 500


def connect(server, **options):
    options.setdefault("socket_timeout", LIMIT_S)
    return redis.Redis(port=server.port, decode_responses=True, **options)


def heard(subscription, number):
    """So many messages, and that no more come."""
    messages, deadline = [], time.monotonic() + LIMIT_S
    while len(messages) < number and time.monotonic() < deadline:
        message = subscription.get_message(ignore_subscribe_messages=True, timeout=1)
        if message is not None:
            messages.append(message)
    holds(subscription.get_message(ignore_subscribe_messages=True, timeout=0.05) is None, "nothing comes twice")
    equal(len(messages), number)
    return messages


def subscribed(server, *channels, patterns=(), protocol=2):
    subscription = connect(server, protocol=protocol).pubsub()
    if channels:
        subscription.subscribe(*channels)
    if patterns:
        subscription.psubscribe(*patterns)
    for _ in range(len(channels) + len(patterns)):
        holds(subscription.get_message(timeout=LIMIT_S)["type"].endswith("subscribe"), "each subscription is confirmed")
    return subscription


def messages_of_several_publishers():
    with serve(2) as server:
        subscriptions = [
            subscribed(server, *(f"news:{n}" for n in range(PUBLISHERS))),
            subscribed(server, *(f"news:{n}" for n in range(PUBLISHERS)), protocol=3),
            subscribed(server, patterns=["news:*"]),
        ]

        def publish(number):
            client = connect(server)
            for message in range(MESSAGES):
                equal(client.publish(f"news:{number}", message), len(subscriptions))

        threads = [threading.Thread(target=publish, args=(number,)) for number in range(PUBLISHERS)]
        [thread.start() for thread in threads]
        for subscription in subscriptions:
            by_channel = collections.defaultdict(list)
            for message in heard(subscription, PUBLISHERS * MESSAGES):
                by_channel[message["channel"]].append(int(message["data"]))
            for number in range(PUBLISHERS):
                equal(by_channel[f"news:{number}"], list(range(MESSAGES)))
        [thread.join() for thread in threads]


def worker_threads():
    with serve(2) as server:
        got, client = [], connect(server)
        subscription = client.pubsub(ignore_subscribe_messages=True)
        subscription.subscribe(**{"jobs": lambda message: got.append(message["data"])})
        worker = subscription.run_in_thread(sleep_time=0.01)
        while client.publish("jobs", "first") == 0:
            time.sleep(0.01)
        [client.publish("jobs", f"{number}") for number in range(100)]
        deadline = time.monotonic() + LIMIT_S
        while len(got) < 101 and time.monotonic() < deadline:
            time.sleep(0.01)
        worker.stop()
        worker.join()
        equal(got, ["first"] + [f"{number}" for number in range(100)])


def keyspace_listeners():
    with serve(2) as server:
        client = connect(server)
        client.config_set("notify-keyspace-events", "KEA")
        by_event = subscribed(server, patterns=["__keyevent@0__:*"])
        by_key = subscribed(server, patterns=["__keyspace@0__:order:*"])
        wanted = []
        for number in range(200):
            key = f"order:{number}"
            client.hset(key, "state", "new")
            client.rpush("queue", key)
            client.hincrby(key, "tries", 1)
            client.lpop("queue")
            client.delete(key)
            wanted += [("hset", key), ("rpush", "queue"), ("hincrby", key), ("lpop", "queue"), ("del", "queue"), ("del", key)]
        got = [(message["channel"].split(":", 1)[1], message["data"]) for message in heard(by_event, len(wanted))]
        # Those of one key in the order of its changes.
        for key in {key for _, key in wanted}:
            equal([event for event, of in got if of == key], [event for event, of in wanted if of == key])
        of_orders = [event for event, key in wanted if key != "queue"]
        equal(sorted(message["data"] for message in heard(by_key, len(of_orders))), sorted(of_orders))
        client.set("fleeting", "x", px=1)
        expired = heard(by_event, 3)
        equal([message["channel"].split(":")[1] for message in expired], ["set", "expire", "expired"])


def becomes(read, wanted):
    """What is read is this some time."""
    deadline = time.monotonic() + LIMIT_S
    while read() != wanted:
        holds(time.monotonic() < deadline, f"it stays {read()!r} instead of {wanted!r}")


def client_side_cache():
    with serve(2) as server:
        cached, writer = connect(server, protocol=3, cache_config=CacheConfig()), connect(server)
        keys = [f"key:{number}" for number in range(20)]
        values = {key: 0 for key in keys}
        writer.mset(values)
        for _ in range(50):
            equal([cached.get(key) for key in keys], [str(values[key]) for key in keys])
        before = writer.info("stats")["total_commands_processed"]
        [cached.get(key) for key in keys]
        equal(writer.info("stats")["total_commands_processed"] - before, 1)
        for _ in range(300):
            key = random.choice(keys)
            values[key] += 1
            writer.set(key, values[key])
            becomes(lambda key=key: cached.get(key), str(values[key]))
        writer.expire(keys[0], 0)
        becomes(lambda: cached.get(keys[0]), None)
        writer.flushall()
        for key in keys:
            becomes(lambda key=key: cached.get(key), None)


def caches_under_load():
    with serve(2) as server:
        writer, stop = connect(server), threading.Event()
        keys = [f"count:{number}" for number in range(10)]
        caches = [connect(server, protocol=3, cache_config=CacheConfig()) for _ in range(3)]

        def read(cache):
            last = dict.fromkeys(keys, 0)
            while not stop.is_set():
                key = random.choice(keys)
                value = int(cache.get(key) or 0)
                holds(value >= last[key], f"{key} goes back from {last[key]} to {value}")
                last[key] = value

        failures = []

        def guarded(cache):
            try:
                read(cache)
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(cache,)) for cache in caches]
        [thread.start() for thread in threads]
        [writer.incr(random.choice(keys)) for _ in range(2000)]
        stop.set()
        [thread.join() for thread in threads]
        equal(failures, [])
        newest = writer.mget(keys)
        for cache in caches:
            for key, value in zip(keys, newest):
                becomes(lambda cache=cache, key=key: cache.get(key), value)


main([messages_of_several_publishers, worker_threads, keyspace_listeners, client_side_cache, caches_under_load])
