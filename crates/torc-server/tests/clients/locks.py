"""Locks and semaphores made of scripts, held by processes in turn: redis-py's Lock, python-redis-lock, pottery's Redlock, and a fair semaphore."""

import concurrent.futures
import contextlib
import os
import subprocess
import time
import uuid

import redis
from redis.exceptions import LockError, LockNotOwnedError

from _harness import LIMIT_S, equal, holds, main, raises, serve

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_jobs")
PROCESSES = 4
TIMES = 200
SLOTS = 3

# A place for everybody who asks, in the order of asking; the first SLOTS of those that are not too old are in.
ACQUIRE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])) do
  redis.call('ZREM', KEYS[2], old)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
if not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[3]), ARGV[1])
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
return redis.call('ZRANK', KEYS[2], ARGV[1]) < tonumber(ARGV[3])
"""
RELEASE = """
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
"""


def connect(port):
    return redis.Redis(port=port, decode_responses=True, socket_timeout=LIMIT_S)


def in_processes(function, *arguments):
    with concurrent.futures.ProcessPoolExecutor(PROCESSES) as pool:
        return [future.result() for future in [pool.submit(function, *arguments) for _ in range(PROCESSES)]]


def count_with_locks(port, names):
    """Reads and writes a counter in two steps, which only a lock makes one."""
    client = connect(port)
    for number in range(TIMES):
        name = names[number % len(names)]
        with client.lock(f"lock:{name}", timeout=LIMIT_S, sleep=0.001):
            client.set(name, int(client.get(name) or 0) + 1)


def locks_of_redis_py():
    with serve(2) as server:
        client, names = connect(server.port), ["one", "two"]
        in_processes(count_with_locks, server.port, names)
        equal(client.mget(names), [str(PROCESSES * TIMES // 2)] * 2)
        lock, other = client.lock("lock", timeout=LIMIT_S), client.lock("lock", timeout=LIMIT_S)
        equal((lock.acquire(), other.acquire(blocking=False), lock.owned(), other.owned()), (True, False, True, False))
        raises(LockError, "unlocked", other.release)
        holds(lock.extend(LIMIT_S) and lock.reacquire(), "its owner may extend it")
        holds(LIMIT_S < client.ttl("lock") + 1 <= LIMIT_S + 1, "for so long")
        lock.extend(LIMIT_S)
        holds(client.ttl("lock") > LIMIT_S, "for longer")
        client.set("lock", "somebody else's")
        raises(LockNotOwnedError, "no longer owned", lock.release)
        equal(client.get("lock"), "somebody else's")
        client.delete("lock")
        fleeting = client.lock("lock", timeout=0.05)
        holds(fleeting.acquire() and other.acquire(), "one whose time is over is free")
        raises(LockNotOwnedError, "no longer owned", fleeting.extend, 1)
        raises(LockNotOwnedError, "no longer owned", fleeting.reacquire)
        raises(LockNotOwnedError, "no longer owned", fleeting.release)
        other.release()
        equal(client.exists("lock"), 0)


def pass_through_semaphore(port):
    client, most = connect(port), 0
    acquire, release = client.register_script(ACQUIRE), client.register_script(RELEASE)
    keys = ["semaphore:times", "semaphore:places"]
    for _ in range(TIMES):
        name = str(uuid.uuid4())
        while not acquire(keys=[*keys, "semaphore:counter"], args=[name, LIMIT_S * 1000, SLOTS]):
            time.sleep(0.001)
        most = max(most, client.incr("inside"))
        client.decr("inside")
        equal(release(keys=keys, args=[name]), 1)
    return most


def a_semaphore():
    with serve(2) as server:
        most = in_processes(pass_through_semaphore, server.port)
        holds(max(most) <= SLOTS, f"{max(most)} are inside")
        client = connect(server.port)
        equal(sorted(client.keys()), ["inside", "semaphore:counter"])
        equal(client.get("semaphore:counter"), str(PROCESSES * TIMES))
        # Whoever holds a place and says nothing loses it.
        acquire, keys = client.register_script(ACQUIRE), ["times", "places", "counter"]
        equal([acquire(keys=keys, args=[name, 100, SLOTS]) for name in "abcd"], [1, 1, 1, None])
        deadline = time.monotonic() + LIMIT_S
        while not acquire(keys=keys, args=["d", 100, SLOTS]):
            holds(time.monotonic() < deadline, "no place becomes free")


def clients(function, *ports, number=PROCESSES):
    command = [os.environ["TORC_JOBS_PYTHON"], "client.py", "locks", function, *map(str, ports)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(command, cwd=FOLDER, **pipes) for _ in range(number)]
    for client in running:
        try:
            output, errors = client.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            [each.kill() for each in running]
            raise
        # What it says of locks that it does not get goes to the errors, too.
        equal((client.returncode, output, "" if client.returncode == 0 else errors[-500:]), (0, "all done\n", ""))


def locks_of_python_redis_lock():
    with serve(2) as server:
        clients("count_with_redis_lock", server.port)
        equal(connect(server.port).get("counter"), str(PROCESSES * 100))
        clients("rules_of_redis_lock", server.port, number=1)


def redlock_over_three_servers():
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(serve(2)) for _ in range(3)]
        ports = [server.port for server in servers]
        clients("count_with_redlock", *ports)
        equal(connect(ports[0]).get("counter"), str(PROCESSES * 50))
        clients("rules_of_redlock", *ports, number=1)


main([locks_of_redis_py, a_semaphore, locks_of_python_redis_lock, redlock_over_three_servers])
