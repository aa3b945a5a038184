"""redis-py against the real binary: everyday calls, pipelines, RESP3, pools, threads."""

import threading

import redis

from _harness import equal, holds, main, raises, serve


def connect(server, **options):
    options.setdefault("socket_timeout", 30)
    return redis.Redis(port=server.port, decode_responses=True, **options)


def strings():
    with serve(2) as server:
        client = connect(server)
        equal(client.ping(), True)
        equal(client.set("text", "value"), True)
        equal(client.get("text"), "value")
        equal(client.get("absent"), None)
        equal(client.set("text", "other", nx=True), None)
        equal(client.set("text", "other", xx=True, get=True), "value")
        equal(client.set("fleeting", "x", px=100_000), True)
        holds(90_000 < client.pttl("fleeting") <= 100_000, "the time to live is kept")
        equal(client.set("fleeting", "y", keepttl=True), True)
        holds(client.ttl("fleeting") > 0, "keepttl keeps it")
        equal(client.getex("fleeting", persist=True), "y")
        equal(client.ttl("fleeting"), -1)
        equal(client.append("text", "!"), 6)
        equal(client.strlen("text"), 6)
        equal(client.getrange("text", 0, 2), "oth")
        equal(client.setrange("text", 0, "OTH"), 6)
        equal(client.getset("text", "new"), "OTHer!")
        equal(client.getdel("text"), "new")
        equal(client.incr("counter"), 1)
        equal(client.incrby("counter", 10), 11)
        equal(client.decr("counter", 3), 8)
        equal(client.incrbyfloat("counter", 0.5), 8.5)
        equal(client.mset({f"m:{n}": n for n in range(50)}), True)
        equal(client.mget([f"m:{n}" for n in range(50)] + ["absent"]), [str(n) for n in range(50)] + [None])
        equal(client.msetnx({"{t}a": 1, "{t}b": 2}), True)
        equal(client.msetnx({"{t}b": 3, "{t}c": 4}), False)
        raises(redis.ResponseError, "not an integer", client.incr, "{t}x" if client.set("{t}x", "text") else "")


def binary_values():
    with serve(2) as server:
        client = redis.Redis(port=server.port, socket_timeout=30)
        everything = bytes(range(256)) * 300
        equal(client.set(everything[:256], everything), True)
        equal(client.get(everything[:256]), everything)
        equal(client.strlen(everything[:256]), len(everything))


def keys():
    with serve(3) as server:
        client = connect(server)
        client.mset({f"key:{n}": n for n in range(1000)})
        equal(client.dbsize(), 1000)
        equal(client.exists("key:1", "key:1", "absent", "key:999"), 3)
        equal(client.delete(*[f"key:{n}" for n in range(100)]), 100)
        equal(client.unlink("key:100", "key:0"), 1)
        equal(client.touch("key:200", "key:201"), 2)
        equal(client.type("key:200"), "string")
        equal(client.expire("key:200", 100), True)
        equal(client.expire("key:200", 50, gt=True), False)
        equal(client.persist("key:200"), True)
        equal(len(client.keys("key:2??")), 100)
        equal(len(client.keys()), 899)
        holds(client.randomkey().startswith("key:"), "a key at random")
        equal(client.object("encoding", "key:200"), "int")
        equal(client.flushdb(), True)
        equal(client.dbsize(), 0)


def scan_iter():
    with serve(3) as server:
        client = connect(server)
        wanted = {f"key:{n}" for n in range(2000)}
        client.mset({key: 1 for key in wanted})
        client.mset({f"other:{n}": 1 for n in range(100)})
        equal(set(client.scan_iter(match="key:*", count=37)), wanted)
        equal(len(set(client.scan_iter())), 2100)
        equal(set(client.scan_iter(_type="list")), set())


def pipeline(transaction):
    with serve(3) as server:
        client = connect(server)
        with client.pipeline(transaction=transaction) as pipe:
            for number in range(2000):
                pipe.set(f"{{same}}{number}", number)
                pipe.get(f"{{same}}{number}")
            replies = pipe.execute()
        equal(replies[0::2], [True] * 2000)
        equal(replies[1::2], [str(number) for number in range(2000)])
        with client.pipeline(transaction=transaction) as pipe:
            pipe.set("{same}text", "x").incr("{same}text").get("{same}text")
            replies = pipe.execute(raise_on_error=False)
        holds(isinstance(replies[1], redis.ResponseError), "the error is in its place")
        equal((replies[0], replies[2]), (True, "x"))


def pipeline_plain():
    pipeline(False)


def pipeline_transaction():
    pipeline(True)


def pipeline_over_all_cores():
    with serve(3) as server:
        client = connect(server)
        pipe = client.pipeline(transaction=False)
        for number in range(10_000):
            pipe.set(f"key:{number}", number)
        for number in range(10_000):
            pipe.get(f"key:{number}")
        replies = pipe.execute()
        equal(replies, [True] * 10_000 + [str(number) for number in range(10_000)])


def transaction_that_cannot_be_queued():
    with serve(1) as server:
        client = connect(server)
        with client.pipeline(transaction=True) as pipe:
            pipe.set("key", 1)
            pipe.execute_command("NOSUCH")
            raises(redis.ResponseError, "unknown command", pipe.execute)
        equal(client.get("key"), None)


def resp3():
    with serve(2) as server:
        client = connect(server, protocol=3)
        equal(client.set("key", "value"), True)
        equal(client.get("key"), "value")
        equal(client.get("absent"), None)
        equal(client.mget("key", "absent"), ["value", None])
        equal(client.config_get("maxclients"), {"maxclients": "10000"})
        equal(client.execute_command("HELLO", 3)["proto"], 3)
        holds(client.info("server")["redis_mode"], "INFO is read")
        with client.pipeline() as pipe:
            equal(pipe.incr("n").incr("n").execute(), [1, 2])


def connection_pool():
    with serve(2) as server:
        pool = redis.BlockingConnectionPool(port=server.port, max_connections=8, timeout=30, socket_timeout=30)

        def work():
            client = redis.Redis(connection_pool=pool)
            for _ in range(200):
                client.incr("shared")

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client = redis.Redis(connection_pool=pool)
        equal(int(client.get("shared")), 4000)
        pool.disconnect()
        equal(int(client.get("shared")), 4000)


def clients():
    with serve(2) as server:
        client, other = connect(server, client_name="first"), connect(server, client_name="second")
        other.ping()
        equal(client.client_getname(), "first")
        listed = client.client_list()
        equal(sorted(entry["name"] for entry in listed), ["first", "second"])
        holds(all(entry["lib-name"].startswith("redis-py") for entry in listed), "the library names itself")
        equal(client.client_info()["name"], "first")
        equal(client.client_setname("renamed"), True)
        equal(client.client_getname(), "renamed")
        equal(client.client_id(), next(int(entry["id"]) for entry in listed if entry["name"] == "first"))
        victim = next(entry["id"] for entry in listed if entry["name"] == "second")
        equal(client.client_kill_filter(_id=victim), 1)
        # It connects again by itself.
        equal(other.ping(), True)
        equal(client.client_no_evict("ON"), "OK")
        equal(client.echo("text"), "text")


def info_and_config():
    with serve(2) as server:
        client = connect(server)
        client.set("key", 1)
        info = client.info()
        equal(info["tcp_port"], server.port)
        equal(info["connected_clients"], 1)
        equal(info["db0"]["keys"], 1)
        holds(info["redis_version"].startswith("7."), "clients branch on the version")
        holds(info["used_memory"] > 0 and info["process_id"] == server.process.pid, "figures of the process")
        equal(set(client.info("clients")) >= {"connected_clients", "blocked_clients"}, True)
        equal(client.config_get("maxmemory*")["maxmemory-policy"], "noeviction")
        equal(client.config_set("timeout", 100), True)
        equal(client.config_get("timeout"), {"timeout": "100"})
        raises(redis.ResponseError, "Unknown option", client.config_set, "nosuch", 1)
        equal(client.config_resetstat(), True)
        seconds, _ = client.time()
        holds(seconds > 1_600_000_000, "the time")
        holds(client.command_count() > 50, "commands are counted")
        holds("get" in client.command(), "commands are listed")


def databases():
    with serve(2) as server:
        zero, nine = connect(server), connect(server, db=9)
        nine.set("key", "nine")
        equal(zero.get("key"), None)
        equal((zero.dbsize(), nine.dbsize()), (0, 1))
        equal(zero.flushall(), True)
        equal(nine.get("key"), None)


def password():
    with serve(2, "--requirepass", "secret") as server:
        raises(redis.AuthenticationError, "Authentication required", connect(server, protocol=2).get, "key")
        raises(redis.AuthenticationError, "HELLO must be called", connect(server, protocol=3).get, "key")
        for protocol in (2, 3):
            wrong = connect(server, password="wrong", protocol=protocol)
            raises(redis.AuthenticationError, "invalid username-password", wrong.get, "key")
            equal(connect(server, password="secret", protocol=protocol).ping(), True)
            equal(connect(server, username="default", password="secret", protocol=protocol).ping(), True)


def shutdown():
    with serve(2) as server:
        client = connect(server)
        client.ping()
        client.shutdown(nosave=True)
        equal(server.process.wait(30), 0)


def killed_and_started_again():
    """The kernel holds the listening sockets of a killed server for a moment: one that starts at once waits for them."""
    with serve(2) as server:
        for _ in range(5):
            connect(server).ping()
            server.process.kill()
            server.process.wait(30)
            server.process = server.started()
            log = ""
            while "Ready to accept connections" not in log:
                line = server.process.stdout.readline()
                holds(line, "the server starts: " + log)
                log += line
        equal(connect(server).dbsize(), 0)


main(
    [
        strings,
        binary_values,
        keys,
        scan_iter,
        pipeline_plain,
        pipeline_transaction,
        pipeline_over_all_cores,
        transaction_that_cannot_be_queued,
        resp3,
        connection_pool,
        clients,
        info_and_config,
        databases,
        password,
        shutdown,
        killed_and_started_again,
    ]
)
