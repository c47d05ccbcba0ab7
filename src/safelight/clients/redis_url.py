"""A broker's address as redis-py knows it."""

from __future__ import annotations

import re


def is_redis(url: str) -> bool:
    """Whether a Redis or a Valkey is there."""
    return url.startswith(("redis", "rediss", "valkey", "unix"))


def plain(url: str) -> str:
    """kombu's names of schemes and options, as redis-py has them."""
    url = url.replace("redis+socket://", "unix://", 1).replace("valkey://", "redis://", 1)
    url = re.sub(r"([?&])virtual_host=", r"\1db=", url)
    return re.sub(r"(ssl_cert_reqs=)CERT_(\w+)", lambda m: m[1] + m[2].lower(), url)
