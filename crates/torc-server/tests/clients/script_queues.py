"""Scripts like those of Sidekiq's and asynq's queues, called by many processes at once: no job is lost, none is done twice, none stays."""

import collections
import concurrent.futures
import json
import multiprocessing
import os
import signal
import time

import redis

from _harness import LIMIT_S, equal, holds, main, serve

PROCESSES = 3
HELD = 10
LEASE_MS = 4000

# Takes what is due and pushes it to the queue that the job itself names: a key that no caller declares.
SCHEDULE = """
local job = redis.call('zrange', KEYS[1], '-inf', ARGV[1], 'byscore', 'limit', 0, 1)[1]
if not job then return false end
redis.call('zrem', KEYS[1], job)
local queue = cjson.decode(job)['queue']
redis.call('sadd', 'queues', queue)
redis.call('lpush', 'queue:' .. queue, job)
return job
"""
# Takes a job from the first queue that has one, into a list of the worker's own.
FETCH = """
for _, queue in ipairs(redis.call('smembers', 'queues')) do
  local job = redis.call('lmove', 'queue:' .. queue, KEYS[1], 'right', 'left')
  if job then return {queue, job} end
end
return false
"""
# Gives back all that a worker which is gone has had.
RESCUE = """
local number = 0
while true do
  local job = redis.call('lpop', KEYS[1])
  if not job then return number end
  redis.call('rpush', 'queue:' .. cjson.decode(job).queue, job)
  number = number + 1
end
"""

NOW = "local time = redis.call('time') local now = time[1] * 1000 + math.floor(time[2] / 1000)\n"
ENQUEUE = """
if redis.call('exists', KEYS[1]) == 1 then return 0 end
local task = cjson.decode(ARGV[1])
redis.call('hset', KEYS[1], 'msg', cmsgpack.pack({id = task.id, payload = task.payload, retried = 0}), 'state', 'pending')
redis.call('lpush', KEYS[2], task.id)
return 1
"""
# KEYS: pending, active, lease. The task's own key is made of what is popped.
DEQUEUE = (
    NOW
    + """
local id = redis.call('rpoplpush', KEYS[1], KEYS[2])
if not id then return nil end
local key = ARGV[1] .. id
redis.call('hset', key, 'state', 'active')
redis.call('zadd', KEYS[3], now + ARGV[2], id)
return cjson.encode(cmsgpack.unpack(redis.call('hget', key, 'msg')))
"""
)
# KEYS: active, lease, the task, what is counted.
DONE = """
if redis.call('lrem', KEYS[1], 0, ARGV[1]) == 0 then return redis.error_reply('NOT FOUND') end
if redis.call('zrem', KEYS[2], ARGV[1]) == 0 then return redis.error_reply('NO LEASE') end
if redis.call('del', KEYS[3]) == 0 then return redis.error_reply('NO TASK') end
return redis.call('incr', KEYS[4])
"""
# KEYS: active, lease, retry, the task.
RETRY = (
    NOW
    + """
if redis.call('lrem', KEYS[1], 0, ARGV[1]) == 0 then return redis.error_reply('NOT FOUND') end
redis.call('zrem', KEYS[2], ARGV[1])
local task = cmsgpack.unpack(redis.call('hget', KEYS[4], 'msg'))
task.retried = task.retried + 1
redis.call('hset', KEYS[4], 'msg', cmsgpack.pack(task), 'state', 'retry')
return redis.call('zadd', KEYS[3], now + ARGV[2], ARGV[1])
"""
)
# KEYS: retry, pending. KEYS: lease, pending, active.
FORWARD = (
    NOW
    + """
local ids = redis.call('zrangebyscore', KEYS[1], '-inf', now, 'LIMIT', 0, 100)
for _, id in ipairs(ids) do
  redis.call('lpush', KEYS[2], id)
  redis.call('zrem', KEYS[1], id)
  redis.call('hset', ARGV[1] .. id, 'state', 'pending')
  if KEYS[3] then redis.call('lrem', KEYS[3], 0, id) end
end
return #ids
"""
)


def connect(port):
    return redis.Redis(port=port, decode_responses=True, socket_timeout=LIMIT_S)


def in_processes(*calls):
    """What each of these returns, run at once in processes of their own."""
    with concurrent.futures.ProcessPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(*call) for call in calls]]


def rounds(client, key, total):
    """Goes on until so many are counted, by whomever."""
    deadline = time.monotonic() + 2 * LIMIT_S
    while (counted := int(client.get(key) or 0)) < total:
        holds(time.monotonic() < deadline, f"{counted} of {total}")
        yield


def killed(target, *arguments):
    """Runs this in a process until it says that it holds what it is to hold, and kills it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=target, args=(there, *arguments))
    process.start()
    holds(here.poll(LIMIT_S), "it holds nothing")
    got = here.recv()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return got


def each_once(got, wanted):
    counts, all_of_them = collections.Counter(got), collections.Counter(wanted)
    lost, twice = list((all_of_them - counts).items())[:5], list((counts - all_of_them).items())[:5]
    equal((lost, twice), ([], []))


# Sidekiq


def sidekiq_client(port, producer, jobs):
    client = connect(port)
    for number in range(jobs):
        job = {"jid": f"{producer}-{number}", "queue": f"q{number % 7}", "args": [number]}
        client.zadd("schedule", {json.dumps(job): number})
    return []


def sidekiq_scheduler(port, total):
    """Moves jobs until all have been moved, by whomever; gives those it has moved."""
    client, moved = connect(port), []
    schedule = client.register_script(SCHEDULE)
    for _ in rounds(client, "moved", total):
        job = schedule(keys=["schedule"], args=[10**9])
        if job is not None:
            client.incr("moved")
            moved.append(json.loads(job)["jid"])
    return [("moved", jid) for jid in moved]


def sidekiq_worker(port, name, total):
    client, done = connect(port), []
    fetch = client.register_script(FETCH)
    for _ in rounds(client, "done", total):
        got = fetch(keys=[f"private:{name}"])
        if got is None:
            time.sleep(0.001)
            continue
        queue, job = got
        equal(json.loads(job)["queue"], queue)
        equal(client.lrem(f"private:{name}", 1, job), 1)
        done.append(json.loads(job)["jid"])
        client.incr("done")
    return [("done", jid) for jid in done]


def sidekiq_worker_that_hangs(pipe, port):
    client = connect(port)
    schedule, fetch = client.register_script(SCHEDULE), client.register_script(FETCH)
    for number in range(HELD):
        client.zadd("schedule", {json.dumps({"jid": f"held-{number}", "queue": f"q{number}"}): -1})
        schedule(keys=["schedule"], args=[0])
    pipe.send([json.loads(fetch(keys=["private:gone"])[1])["jid"] for _ in range(HELD)])
    time.sleep(LIMIT_S)


def queues_that_jobs_name():
    jobs = 1000
    with serve(2) as server:
        client = connect(server.port)
        held = killed(sidekiq_worker_that_hangs, server.port)
        each_once(held, [f"held-{number}" for number in range(HELD)])
        equal(client.register_script(RESCUE)(keys=["private:gone"]), HELD)
        total = PROCESSES * jobs
        calls = [(sidekiq_client, server.port, number, jobs) for number in range(PROCESSES)]
        calls += [(sidekiq_scheduler, server.port, total) for _ in range(PROCESSES)]
        calls += [(sidekiq_worker, server.port, number, total + HELD) for number in range(PROCESSES)]
        got = [entry for entries in in_processes(*calls) for entry in entries]
        wanted = [f"{producer}-{number}" for producer in range(PROCESSES) for number in range(jobs)]
        each_once([jid for kind, jid in got if kind == "moved"], wanted)
        each_once([jid for kind, jid in got if kind == "done"], wanted + held)
        equal(sorted(client.keys()), ["done", "moved", "queues"])


# asynq


def names(prefix):
    """The keys of a queue: with the prefix in braces all on one core."""
    return {name: f"{prefix}:{name}" for name in ("pending", "active", "lease", "retry", "processed")}


def asynq_client(port, prefix, producer, tasks):
    client, keys = connect(port), names(prefix)
    enqueue = client.register_script(ENQUEUE)
    for number in range(tasks):
        name = f"{producer}-{number}"
        task = json.dumps({"id": name, "payload": {"number": number, "text": "é\n\u20ac" * 3, "list": [1, 2.5, True]}})
        equal(enqueue(keys=[f"{prefix}:t:{name}", keys["pending"]], args=[task]), 1)
        equal(enqueue(keys=[f"{prefix}:t:{name}", keys["pending"]], args=[task]) if number % 50 == 0 else 0, 0)
    return []


def asynq_dequeue(client, prefix):
    keys = names(prefix)
    script = client.register_script(DEQUEUE)
    return lambda: script(keys=[keys["pending"], keys["active"], keys["lease"]], args=[f"{prefix}:t:", LEASE_MS])


def asynq_worker(port, prefix, total):
    """Every tenth task fails twice before it is done."""
    client, keys, done = connect(port), names(prefix), []
    dequeue, finish, retry = asynq_dequeue(client, prefix), client.register_script(DONE), client.register_script(RETRY)
    for _ in rounds(client, keys["processed"], total):
        got = dequeue()
        if got is None:
            time.sleep(0.001)
            continue
        task = json.loads(got)
        name, key = task["id"], f"{prefix}:t:{task['id']}"
        equal(task["payload"], {"number": int(name.split("-")[1]), "text": "é\n\u20ac" * 3, "list": [1, 2.5, True]})
        if name.endswith("7") and task["retried"] < 2:
            equal(retry(keys=[keys["active"], keys["lease"], keys["retry"], key], args=[name, 20]), 1)
        else:
            finish(keys=[keys["active"], keys["lease"], key, keys["processed"]], args=[name])
            done.append((name, task["retried"]))
    return done


def asynq_janitor(port, prefix, total):
    """Gives back what is due again and whose lease is over; tells how many of the latter."""
    client, keys, back = connect(port), names(prefix), 0
    forward = client.register_script(FORWARD)
    for _ in rounds(client, keys["processed"], total):
        forward(keys=[keys["retry"], keys["pending"]], args=[f"{prefix}:t:"])
        back += forward(keys=[keys["lease"], keys["pending"], keys["active"]], args=[f"{prefix}:t:"])
        time.sleep(0.01)
    return [("back", back)]


def asynq_worker_that_hangs(pipe, port, prefix):
    client = connect(port)
    asynq_client(port, prefix, "held", HELD)
    dequeue = asynq_dequeue(client, prefix)
    pipe.send([json.loads(dequeue())["id"] for _ in range(HELD)])
    time.sleep(LIMIT_S)


def leases(prefix, tasks):
    with serve(2) as server:
        held = killed(asynq_worker_that_hangs, server.port, prefix)
        total = PROCESSES * tasks + HELD
        calls = [(asynq_client, server.port, prefix, number, tasks) for number in range(PROCESSES)]
        calls += [(asynq_worker, server.port, prefix, total) for _ in range(PROCESSES)]
        calls += [(asynq_janitor, server.port, prefix, total) for _ in range(2)]
        got = [entry for entries in in_processes(*calls) for entry in entries]
        equal(sum(number for name, number in got if name == "back"), HELD)
        wanted = held + [f"{producer}-{number}" for producer in range(PROCESSES) for number in range(tasks)]
        each_once([entry for entry in got if entry[0] != "back"], [(name, 2 if name.endswith("7") else 0) for name in wanted])
        equal(connect(server.port).keys(), [f"{prefix}:processed"])


def leases_on_one_core():
    leases("asynq:{q}", 1000)


def leases_over_cores():
    leases("asynq:q", 700)


main([queues_that_jobs_name, leases_on_one_core, leases_over_cores])
