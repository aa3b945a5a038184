"""redis-py's cluster client against the ports of the cores: every core is a node."""

import threading

import redis
from redis.cluster import ClusterNode, RedisCluster

from _harness import equal, holds, main, serve

CORES = 3


def connect(server, **options):
    options.setdefault("socket_timeout", 30)
    node = ClusterNode("127.0.0.1", server.port + 1)
    return RedisCluster(startup_nodes=[node], decode_responses=True, **options)



def every_key_finds_its_core():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        ports = sorted(node.port for node in client.get_nodes())
        equal(ports, [server.port + 1 + core for core in range(CORES)])
        for number in range(1000):
            equal(client.set(f"key:{number}", number), True)
        for number in range(1000):
            equal(client.get(f"key:{number}"), str(number))
        owners = {client.get_node_from_key(f"key:{number}").port for number in range(1000)}
        equal(sorted(owners), ports)
        equal(client.delete("key:1"), 1)
        equal(client.exists("key:1"), 0)
        # The common port sees the same keys.
        equal(redis.Redis(port=server.port).dbsize(), 999)


def several_keys_at_once():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        client.mset_nonatomic({f"key:{n}": n for n in range(300)})
        equal(client.mget_nonatomic([f"key:{n}" for n in range(300)]), [str(n) for n in range(300)])
        equal(client.mset({"{tag}a": 1, "{tag}b": 2}), True)
        equal(client.mget("{tag}a", "{tag}b", "{tag}c"), ["1", "2", None])


def pipelines():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        pipe = client.pipeline()
        for number in range(2000):
            pipe.set(f"key:{number}", number)
        equal(pipe.execute(), [True] * 2000)
        pipe = client.pipeline()
        for number in range(2000):
            pipe.get(f"key:{number}")
        equal(pipe.execute(), [str(number) for number in range(2000)])


def a_moved_key_is_followed():
    with serve(CORES, "--core-ports", "yes") as server:
        plain = redis.Redis(port=server.port + 1, socket_timeout=30, decode_responses=True)
        client = connect(server)
        key = next(f"key:{n}" for n in range(100) if client.get_node_from_key(f"key:{n}").port != server.port + 1)
        try:
            plain.set(key, "x")
            raise AssertionError("another core's key was not redirected")
        except redis.exceptions.MovedError as error:
            equal(error.port, client.get_node_from_key(key).port)
            equal(error.slot_id, client.keyslot(key))
        # A client with an old table is put right by the redirection.
        slot, nodes = client.keyslot(key), client.nodes_manager
        nodes.slots_cache[slot] = [nodes.get_node("127.0.0.1", server.port + 1)]
        equal(client.set(key, "followed"), True)
        equal(client.get(key), "followed")


def transactions_of_one_slot():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        node = client.get_redis_connection(client.get_node_from_key("{tag}"))
        with node.pipeline(transaction=True) as pipe:
            replies = pipe.set("{tag}a", 1).incr("{tag}a").get("{tag}a").execute()
        equal(replies, [True, 2, "2"])


def scans_and_figures_of_all_nodes():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        wanted = {f"key:{number}" for number in range(500)}
        for key in wanted:
            client.set(key, 1)
        equal(set(client.scan_iter(count=50)), wanted)
        info = client.cluster_info()
        if isinstance(info.get("cluster_state"), str):
            equal(info["cluster_state"], "ok")
        holds(len(client.cluster_slots()) == CORES, "one range a core")


def many_threads():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server)
        errors = []

        def work(thread):
            try:
                for number in range(300):
                    client.incr(f"counter:{number % 10}")
                    equal(client.set(f"own:{thread}:{number}", number), True)
                    equal(client.get(f"own:{thread}:{number}"), str(number))
            except Exception as error:  # reported by the test's own thread
                errors.append(error)

        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        equal(errors, [])
        equal(sum(int(client.get(f"counter:{n}")) for n in range(10)), 2400)


def resp3():
    with serve(CORES, "--core-ports", "yes") as server:
        client = connect(server, protocol=3)
        for number in range(100):
            equal(client.set(f"key:{number}", number), True)
            equal(client.get(f"key:{number}"), str(number))


main(
    [
        every_key_finds_its_core,
        several_keys_at_once,
        pipelines,
        a_moved_key_is_followed,
        transactions_of_one_slot,
        scans_and_figures_of_all_nodes,
        many_threads,
        resp3,
    ]
)
