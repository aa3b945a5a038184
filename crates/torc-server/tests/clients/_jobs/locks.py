"""What clients do with the locks of python-redis-lock and of pottery. Run by `../locks.py`."""

import redis
import redis_lock
from pottery import Redlock, ReleaseUnlockedLock

from shared import until

TIMES, REDLOCK_TIMES = 100, 50


def count(client):
    """Two steps, which only a lock makes one."""
    client.set("counter", int(client.get("counter") or 0) + 1)


def count_with_redis_lock(port):
    client = redis.Redis(port=port)
    for number in range(TIMES):
        # Some are extended by a thread for as long as they are held.
        with redis_lock.Lock(client, "lock", expire=30, auto_renewal=number % 10 == 0):
            count(client)
    print("all done")


def raises(kind, function):
    try:
        function()
    except kind:
        return True
    return False


def rules_of_redis_lock(port):
    client = redis.Redis(port=port)
    one, other = redis_lock.Lock(client, "rules", expire=60), redis_lock.Lock(client, "rules", expire=60)
    assert one.acquire(blocking=False) and not other.acquire(blocking=False)
    assert raises(redis_lock.NotAcquired, other.release) and raises(redis_lock.AlreadyAcquired, one.acquire)
    one.extend(expire=100)
    assert 60 < client.ttl("lock:rules") <= 100
    one.release()
    assert other.acquire(blocking=False)
    other.reset()
    # One that nobody releases is lost after a while, and its owner is told so. Whoever waits for it is not.
    fleeting = redis_lock.Lock(client, "fleeting", expire=1)
    assert fleeting.acquire()
    until(lambda: not client.exists("lock:fleeting"), "lost")
    assert redis_lock.Lock(client, "fleeting", expire=60).acquire(blocking=False)
    assert raises(redis_lock.NotAcquired, fleeting.release) and raises(redis_lock.NotAcquired, lambda: fleeting.extend(1))
    held = [redis_lock.Lock(client, f"many-{number}", expire=60) for number in range(20)]
    assert all(lock.acquire(blocking=False) for lock in held)
    redis_lock.reset_all(client)
    assert not client.keys("lock:*")
    print("all done")


def count_with_redlock(*ports):
    masters = {redis.Redis(port=port) for port in ports}
    client = redis.Redis(port=ports[0])
    for _ in range(REDLOCK_TIMES):
        with Redlock(key="lock", masters=masters, auto_release_time=30):
            count(client)
    print("all done")


def rules_of_redlock(*ports):
    masters = [redis.Redis(port=port) for port in ports]
    one, other = (Redlock(key="rules", masters=set(masters), auto_release_time=30) for _ in range(2))
    assert one.acquire() and not other.acquire(blocking=False)
    assert 0 < one.locked() <= 30 and other.locked() == 0
    # It counts as acquired with two of three, and the third may come later.
    until(lambda: all(master.exists("redlock:rules") for master in masters), "on all")
    # Without one of three it is held still; without two it is not.
    masters[0].delete("redlock:rules")
    assert one.locked() > 0
    one.extend()
    masters[1].delete("redlock:rules")
    assert one.locked() == 0 and raises(ReleaseUnlockedLock, one.release)
    print("all done")
