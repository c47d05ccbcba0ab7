"""What a Redis or Valkey says of itself: version, memory and what it does when that is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from safelight.clients import redis_url
from safelight.domain.errors import Unavailable

SECONDS = 3.0
OLDEST = (6, 2)
FULL = 0.9


class BrokerAway(Unavailable):
    """The broker cannot be reached."""

    code = "broker-away"


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis or Valkey."""

    name: str
    version: str
    policy: str
    used: int
    most: int
    """Bytes; 0: no limit."""

    @property
    def too_old(self) -> bool:
        """Whether it lacks what we ask of it."""
        numbers = [int(part) for part in self.version.split(".")[:2] if part.isdigit()]
        return self.name == "Redis" and tuple(numbers) < OLDEST

    @property
    def evicts(self) -> bool:
        """Whether it drops hints, and the provider's limits, when its memory is full."""
        return self.most > 0 and self.policy != "noeviction"

    @property
    def used_share(self) -> float:
        """Of its memory."""
        return self.used / self.most if self.most else 0.0

    @property
    def full(self) -> bool:
        """Whether it will soon take nothing."""
        return self.used_share > FULL


def ask(url: str) -> Server | None:
    """What the server at *url* says; None: our user may not ask. Raises BrokerAway."""
    client = _client(url)
    try:
        info: Any = client.info()
    except redis.exceptions.NoPermissionError:
        return None
    except redis.RedisError as error:
        raise BrokerAway(f"The broker does not answer: {error}.") from error
    finally:
        client.close()
    valkey = "valkey_version" in info or info.get("server_name") == "valkey"
    return Server(
        "Valkey" if valkey else "Redis",
        str(info.get("valkey_version") or info.get("redis_version") or "0.0"),
        str(info.get("maxmemory_policy", "noeviction")),
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
    )


def ping(url: str) -> None:
    """Raise BrokerAway unless it answers."""
    client = _client(url)
    try:
        client.ping()
    except redis.RedisError as error:
        raise BrokerAway(f"The server of the limits does not answer: {error}.") from error
    finally:
        client.close()


def _client(url: str) -> redis.Redis:
    return redis_url.client(url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
