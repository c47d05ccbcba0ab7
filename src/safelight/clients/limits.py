"""The provider's rate limits, shared by every process of ours through a token bucket in Valkey.

600 predictions and 3,000 other requests a minute an account (replicate.md 1), less when credit is low:
a 429 holds up all of us for as long as it says, and halves our rate for a while.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from typing import Any, Protocol

import redis

from safelight import logging
from safelight.clients import redis_url
from safelight.clients.redis_url import is_redis
from safelight.domain.errors import Unavailable

log = logging.get(__name__)

CREATES, OTHERS = "creates", "others"
A_MINUTE = {CREATES: 600.0, OTHERS: 3000.0}
SHARE = 0.9
"""Of the limit: the rest is for people at their own consoles, and for clocks that differ."""
BURST_SECONDS = 10.0
"""A bucket holds what comes together in so long."""
ALONE = 0.25
"""Of the limit, for a process that cannot reach the shared bucket: four pollers stay inside it."""
SLOWEST = 6.0
"""Requests a minute, however often we are throttled (what the provider allows without credit)."""
BACK_SECONDS = 60.0
"""A rate that was halved doubles again after so long."""
UNSAID_SECONDS = 30.0
"""Where a 429 does not say for how long."""


class Throttled(Unavailable):
    """Our own limit, or the provider's, leaves no room now; `after` says when."""

    code = "throttled"

    def __init__(self, kind: str, after: float) -> None:
        super().__init__(f"The provider's limit for {kind} leaves no room for {after:.1f} s.")
        self.after = after


class Limits(Protocol):
    """What the provider's client asks before each request."""

    def take(self, kind: str) -> None:
        """Spend one of `CREATES` or `OTHERS`. Raises Throttled where there is none."""

    def refused(self, kind: str, after: float | None) -> None:
        """The provider answered 429."""


class LocalLimits:
    """The bucket of one process."""

    def __init__(self, share: float = SHARE) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}
        self._until: dict[str, float] = {}
        self._slowed: dict[str, tuple[float, float]] = {}

    def take(self, kind: str) -> None:
        """Spend one. Raises Throttled where there is none."""
        with self._lock:
            now = time.monotonic()
            if (wait := self._until.get(kind, 0.0) - now) > 0:
                raise Throttled(kind, wait)
            rate = self._rate(kind, now) / 60
            most = max(1.0, rate * BURST_SECONDS)
            left, at = self._left.get(kind, (most, now))
            left = min(most, left + (now - at) * rate)
            self._left[kind] = (left - 1 if left >= 1 else left, now)
            if left < 1:
                raise Throttled(kind, (1 - left) / rate)

    def refused(self, kind: str, after: float | None) -> None:
        """Wait as long as it says, and be slower for a while."""
        with self._lock:
            now = time.monotonic()
            self._slowed[kind] = (max(SLOWEST, self._rate(kind, now) / 2), now)
            self._until[kind] = now + (UNSAID_SECONDS if after is None else after)

    def _rate(self, kind: str, now: float) -> float:
        top = A_MINUTE[kind] * self._share
        rate, since = self._slowed.get(kind, (top, now))
        return min(top, float(rate * 2 ** math.floor((now - since) / BACK_SECONDS)))


# KEYS: the bucket. ARGV: requests a minute, seconds of burst, slowest, seconds until the rate doubles.
_TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local h = redis.call('HMGET', KEYS[1], 'left', 'at', 'until', 'rate', 'slowed')
if h[3] and tonumber(h[3]) > now then return tostring(tonumber(h[3]) - now) end
local rate = tonumber(ARGV[1])
if h[4] then rate = math.min(rate, tonumber(h[4]) * 2 ^ math.floor((now - tonumber(h[5])) / ARGV[4])) end
rate = rate / 60
local most = math.max(1, rate * ARGV[2])
local left = most
if h[1] then left = math.min(most, tonumber(h[1]) + (now - tonumber(h[2])) * rate) end
local wait = 0
if left >= 1 then left = left - 1 else wait = (1 - left) / rate end
redis.call('HSET', KEYS[1], 'left', tostring(left), 'at', tostring(now))
redis.call('EXPIRE', KEYS[1], 3600)
return tostring(wait)
"""
_REFUSED = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local h = redis.call('HMGET', KEYS[1], 'rate', 'slowed')
local rate = tonumber(ARGV[1])
if h[1] then rate = math.min(rate, tonumber(h[1]) * 2 ^ math.floor((now - tonumber(h[2])) / ARGV[4])) end
redis.call('HSET', KEYS[1], 'rate', tostring(math.max(tonumber(ARGV[3]), rate / 2)),
           'slowed', tostring(now), 'until', tostring(now + ARGV[5]))
redis.call('EXPIRE', KEYS[1], 3600)
return '0'
"""


class SharedLimits:
    """The bucket of all processes that use the same token. Make one a process, after fork.

    Where Valkey is away, the process goes on with a quarter of the limit for itself: watching must not
    stop with the broker.
    """

    def __init__(self, url: str, token: str, *, client: redis.Redis | None = None) -> None:
        """*client*: a connection to use in place of one made by *url*."""
        account = hashlib.sha256(token.encode()).hexdigest()[:12]
        self._prefix = f"safelight:limits:{account}:"
        self._redis: Any = client or redis_url.client(
            url, socket_timeout=1.0, socket_connect_timeout=1.0
        )
        self._take = self._redis.register_script(_TAKE)
        self._refused = self._redis.register_script(_REFUSED)
        self._alone = LocalLimits(ALONE)
        self._away_until = 0.0

    def take(self, kind: str) -> None:
        """Spend one. Raises Throttled where there is none."""
        answer = self._ask(self._take, kind)
        if answer is None:
            self._alone.take(kind)
        elif float(answer) > 0:
            raise Throttled(kind, float(answer))

    def refused(self, kind: str, after: float | None) -> None:
        """All of us wait as long as it says, and are slower for a while."""
        wait = UNSAID_SECONDS if after is None else after
        if self._ask(self._refused, kind, wait) is None:
            self._alone.refused(kind, after)

    def _ask(self, script: Any, kind: str, *more: float) -> Any:
        if time.monotonic() < self._away_until:
            return None
        try:
            return script(
                keys=[self._prefix + kind],
                args=[A_MINUTE[kind] * SHARE, BURST_SECONDS, SLOWEST, BACK_SECONDS, *more],
            )
        except redis.RedisError as error:
            # Not asked again for some seconds: each try may wait for its timeout.
            self._away_until = time.monotonic() + 5.0
            log.warning("limits.alone", error=f"{type(error).__name__}: {error}")
            return None

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def limits_for(url: str, token: str) -> SharedLimits | LocalLimits:
    """The shared bucket where *url* is a Redis or Valkey, else one for this process alone."""
    if is_redis(url):
        return SharedLimits(url, token)
    return LocalLimits(ALONE)
