"""Asks limiters of the package limits, and prints how many asks were let through. Run by `../rate_limiters.py`."""

import json

from limits import RateLimitItemPerHour
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

ASKS, LIMIT = 300, 400


def ask(port):
    storage, limit = RedisStorage(f"redis://127.0.0.1:{port}"), RateLimitItemPerHour(LIMIT)
    result = {}
    for kind in (FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter):
        limiter = kind(storage)
        result[kind.__name__] = sum(limiter.hit(limit, kind.__name__) for _ in range(ASKS))
        limiter.get_window_stats(limit, kind.__name__)
    print(json.dumps(result))


def clear(port):
    storage, limit = RedisStorage(f"redis://127.0.0.1:{port}"), RateLimitItemPerHour(LIMIT)
    moving = MovingWindowRateLimiter(storage)
    assert not moving.test(limit, "MovingWindowRateLimiter") and moving.test(limit, "another")
    assert storage.reset() > 0
    assert moving.test(limit, "MovingWindowRateLimiter")
    print("all done")
