"""Jobs of arq, who enqueues them, and who checks what has come of them. Run by `job_queues.py`."""

import asyncio
import collections

from arq import Retry, create_pool
from arq.connections import RedisSettings

from shared import PORT, each_ran, note

JOBS, SPECIAL = 1000, 100
SETTINGS = RedisSettings(port=PORT)


async def double(_, number):
    note(number)
    return 2 * number


async def fails_first(context, name):
    note(name)
    if context["job_try"] == 1:
        raise Retry(defer=0.2)
    return context["job_try"]


class WorkerSettings:
    functions = [double, fails_first]
    redis_settings = SETTINGS


async def send(sender):
    pool = await create_pool(SETTINGS)
    for number in range(sender * JOBS, (sender + 1) * JOBS):
        await pool.enqueue_job("double", number)


async def check(senders):
    pool = await create_pool(SETTINGS)
    later = [await pool.enqueue_job("double", f"later{n}", _defer_by=1) for n in range(SPECIAL)]
    again = [await pool.enqueue_job("fails_first", f"again{n}") for n in range(SPECIAL)]
    # Of many at once with one name one is taken.
    same = await asyncio.gather(*(pool.enqueue_job("double", "same", _job_id="same", _defer_by=1) for _ in range(SPECIAL)))
    taken = [job for job in same if job is not None]
    assert len(taken) == 1, f"{len(taken)} jobs of one name"
    wanted = collections.Counter(str(number) for number in range(senders * JOBS))
    wanted.update([*(f"later{n}" for n in range(SPECIAL)), "same"])
    wanted.update([f"again{n}" for n in range(SPECIAL)] * 2)
    for number, job in enumerate(later):
        assert await job.result(timeout=60, poll_delay=0.05) == f"later{number}" * 2, "results of what ran later"
    for job in again:
        assert await job.result(timeout=60, poll_delay=0.05) == 2, "results of what failed first"
    assert await taken[0].result(timeout=60) == "samesame", "the result of the one taken"
    each_ran(wanted)
    results = await pool.all_job_results()
    # Those of the senders: their results are kept as long as those that were asked for.
    for _ in range(600):
        if len(results) == senders * JOBS + 2 * SPECIAL + 1:
            break
        await asyncio.sleep(0.1)
        results = await pool.all_job_results()
    assert len(results) == senders * JOBS + 2 * SPECIAL + 1, f"{len(results)} results"
    assert all(result.success for result in results), "all have succeeded"
    left = [key for key in await pool.keys("arq:*") if not key.startswith((b"arq:result:", b"arq:queue:health-check"))]
    assert left == [], f"{left} stay"
    print("all done")
