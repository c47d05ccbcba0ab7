"""A broker's address as redis-py knows it."""

from __future__ import annotations


def is_redis(url: str) -> bool:
    """Whether a Redis or a Valkey is there."""
    return url.startswith(("redis", "rediss", "valkey", "unix"))


def plain(url: str) -> str:
    """kombu's names of the schemes, as redis-py has them."""
    url = url.replace("redis+socket://", "unix://", 1).replace("valkey://", "redis://", 1)
    return url.replace("?virtual_host=", "?db=")
