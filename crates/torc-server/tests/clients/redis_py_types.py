"""redis-py against the real binary: every data type, on one core and on two, in both protocols."""

import threading

import redis

from _harness import equal, holds, main, raises, serve


def each(check):
    """The check as a test of its own: on one core and on two, with RESP2 and RESP3."""

    def test():
        for cores in (1, 2):
            with serve(cores) as server:
                for protocol in (2, 3):
                    client = redis.Redis(port=server.port, protocol=protocol, decode_responses=True, socket_timeout=30)
                    client.flushall()
                    check(client)

    test.__name__ = check.__name__
    return test


@each
def lists(client):
    equal(client.rpush("queue", "a", "b", "c"), 3)
    equal(client.lpush("queue", "z"), 4)
    equal(client.lrange("queue", 0, -1), ["z", "a", "b", "c"])
    equal(client.lpop("queue", 2), ["z", "a"])
    equal(client.lmove("queue", "other", "RIGHT", "LEFT"), "c")
    equal(client.lpos("queue", "b"), 0)
    equal(client.blpop(["absent", "queue"], 1), ["queue", "b"] if client.get_connection_kwargs()["protocol"] == 3 else ("queue", "b"))
    equal(client.exists("queue"), 0)
    raises(redis.ResponseError, "WRONGTYPE", client.sadd, "other", "x")


@each
def waiting(client):
    got = []
    waiter = threading.Thread(target=lambda: got.append(client.blmove("jobs", "done", 20, "LEFT", "RIGHT")))
    waiter.start()
    pusher = redis.Redis(connection_pool=client.connection_pool)
    while pusher.info("clients")["blocked_clients"] != 1:
        pass
    pusher.rpush("jobs", "job")
    waiter.join(20)
    equal(got, ["job"])
    equal(pusher.lrange("done", 0, -1), ["job"])


@each
def hashes(client):
    equal(client.hset("h", mapping={"name": "torc", "age": 1}), 2)
    equal(client.hgetall("h"), {"name": "torc", "age": "1"})
    equal(client.hincrby("h", "age", 2), 3)
    equal(client.hmget("h", "age", "none"), ["3", None])
    equal(client.hexpire("h", 100, "age"), [1])
    holds(0 < client.httl("h", "age")[0] <= 100, "a field has a time to live")
    equal(client.hpersist("h", "age"), [1])
    equal(dict(client.hscan_iter("h")), {"name": "torc", "age": "3"})
    big = {f"field{n}": str(n) for n in range(2000)}
    client.hset("big", mapping=big)
    equal(client.hgetall("big"), big)
    equal(dict(client.hscan_iter("big", count=100)), big)
    equal(client.hdel("h", "name", "age"), 2)
    equal(client.exists("h"), 0)


@each
def sets(client):
    client.sadd("a", *range(10))
    client.sadd("b", *range(5, 15))
    equal(client.sinter("a", "b"), {str(n) for n in range(5, 10)})
    equal(client.sunionstore("c", "a", "b"), 15)
    equal(client.sdiff("c", "b"), {str(n) for n in range(5)})
    equal(client.sismember("c", 14), 1)
    equal(set(client.sscan_iter("c")), {str(n) for n in range(15)})
    equal(len(client.spop("c", 5)), 5)
    equal(client.scard("c"), 10)


@each
def sorted_sets(client):
    equal(client.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}), 3)
    equal(client.zscore("z", "b"), 2.5)
    equal([member for member, _ in client.zrange("z", 0, -1, withscores=True)], ["a", "b", "c"])
    equal(client.zrank("z", "c"), 2)
    equal(client.zrangebyscore("z", 2, 3), ["b"])
    client.zadd("y", {"b": 1})
    equal(client.zinterstore("x", ["z", "y"], aggregate="SUM"), 1)
    equal(client.zscore("x", "b"), 3.5)
    equal(client.zincrby("z", 10, "a"), 11)
    big = {f"m{n}": n for n in range(3000)}
    client.zadd("big", big)
    equal(client.zrange("big", 2990, -1), [f"m{n}" for n in range(2990, 3000)])
    equal(client.zremrangebyrank("big", 0, 2989), 2990)
    equal(client.zcard("big"), 10)


@each
def streams(client):
    first = client.xadd("s", {"k": "1"}, id="1-1")
    equal(first, "1-1")
    client.xadd("s", {"k": "2"}, id="2-1")
    equal(client.xlen("s"), 2)
    equal(client.xrange("s")[1], ("2-1", {"k": "2"}))
    equal(client.xgroup_create("s", "g", id="0"), True)
    reply = client.xreadgroup("g", "me", {"s": ">"}, count=10)
    entries = reply["s"][0] if isinstance(reply, dict) else reply[0][1]
    equal(len(entries), 2)
    equal(client.xpending("s", "g")["pending"], 2)
    equal(client.xack("s", "g", "1-1", "2-1"), 2)
    equal(client.xtrim("s", maxlen=1, approximate=False), 1)


@each
def bits_and_estimates(client):
    equal(client.setbit("bits", 7, 1), 0)
    equal(client.bitcount("bits"), 1)
    client.setbit("more", 6, 1)
    equal(client.bitop("OR", "either", "bits", "more"), 1)
    equal(client.bitpos("either", 1), 6)
    client.pfadd("h1", *range(1000))
    client.pfadd("h2", *range(500, 1500))
    holds(1400 < client.pfcount("h1", "h2") < 1600, "an estimate is near")
    equal(client.pfmerge("h3", "h1", "h2"), True)


@each
def places(client):
    equal(client.geoadd("geo", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")), 2)
    holds(166 < client.geodist("geo", "Palermo", "Catania", unit="km") < 167, "a distance")
    equal(client.geosearch("geo", longitude=15, latitude=37, radius=100, unit="km"), ["Catania"])


@each
def values_travel(client):
    client.rpush("numbers", 3, 1, 2)
    equal(client.sort("numbers"), ["1", "2", "3"])
    equal(client.sort("numbers", store="sorted", desc=True), 3)
    equal(client.copy("sorted", "copied"), True)
    equal(client.rename("copied", "renamed"), True)
    equal(client.lrange("renamed", 0, -1), ["3", "2", "1"])
    raw = redis.Redis(port=client.get_connection_kwargs()["port"])
    raw.restore("restored", 0, raw.dump("renamed"))
    equal(client.lrange("restored", 0, -1), ["3", "2", "1"])
    raises(redis.ResponseError, "DUMP payload version or checksum are wrong", raw.restore, "bad", 0, b"nonsense and more")


main([lists, waiting, hashes, sets, sorted_sets, streams, bits_and_estimates, places, values_travel])
