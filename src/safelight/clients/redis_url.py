"""A broker's address as Celery's library (kombu) knows it, and as redis-py does: one reading for both."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from safelight.domain import broker_address
from safelight.domain.broker_address import BrokerAddress, Server
from safelight.domain.errors import Invalid
from safelight.domain.given import Malformed

SENTINEL_PORT = 26379
SENTINEL_SECONDS = 1.0
_REQS = {
    "required": ssl.CERT_REQUIRED,
    "optional": ssl.CERT_OPTIONAL,
    "none": ssl.CERT_NONE,
}


class UnusableBroker(Invalid):
    """The broker's address cannot be used."""

    code = "unusable-broker"


def read(url: str) -> BrokerAddress:
    """*url*, taken apart. Raises UnusableBroker where hints would not get anywhere."""
    try:
        return broker_address.read(url)
    except Malformed as wrong:
        raise UnusableBroker(f"The broker's address: {wrong}.") from None


def is_redis(url: str) -> bool:
    """Whether a Redis or a Valkey is there, alone or behind Sentinel."""
    return read(url).kind != "amqp"


def for_kombu(url: str) -> tuple[str, dict[str, Any]]:
    """The URL that kombu understands, and Celery's settings that say what it does not take from one."""
    address = read(url)
    said = dict(address.parameters)
    match address.kind:
        case "redis":
            return plain(url), {}
        case "socket":
            server = address.servers[0]
            base = f"redis+socket://{_login(server)}{quote(server.host)}"
            return f"{base}?virtual_host={address.database}", {}
        case "sentinel":
            urls = [
                _url("sentinel", server, str(address.database), {}) for server in _same(address)
            ]
            options = {
                "master_name": said["master_name"],
                "sentinel_kwargs": _sentinels_own(address),
            }
            return ";".join(urls), {"broker_transport_options": options}
    scheme = "amqps" if address.tls else "amqp"
    more = {"heartbeat": said["heartbeat"]} if "heartbeat" in said else {}
    urls = [_url(scheme, server, address.path, more) for server in address.servers]
    return ";".join(urls), {"broker_use_ssl": _amqp_tls(address)} if address.tls else {}


def plain(url: str) -> str:
    """The URL that redis-py understands, of a Redis or Valkey that is not behind Sentinel."""
    address = read(url)
    if address.kind == "socket":
        server = address.servers[0]
        return f"unix://{_login(server)}{quote(server.host)}?db={address.database}"
    scheme = "rediss" if address.tls else "redis"
    return _url(scheme, address.servers[0], str(address.database), _tls(address))


def client(url: str, **options: Any) -> redis.Redis:
    """redis-py's client for *url*, of the master where Sentinel knows it. Connects on first use."""
    address = read(url)
    if address.kind != "sentinel":
        return redis.Redis.from_url(plain(url), **options)
    first = address.servers[0]
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        [(server.host, server.port or SENTINEL_PORT) for server in address.servers],
        sentinel_kwargs=_sentinels_own(address),
    )
    found: redis.Redis = sentinel.master_for(
        dict(address.parameters)["master_name"],
        db=address.database,
        username=first.user or None,
        password=first.password or None,
        **options,
    )
    return found


def _login(server: Server) -> str:
    if not (server.user or server.password):
        return ""
    password = f":{quote(server.password, safe='')}" if server.password else ""
    return f"{quote(server.user, safe='')}{password}@"


def _url(scheme: str, server: Server, path: str, parameters: dict[str, str]) -> str:
    host = server.host if server.host.startswith("[") else quote(server.host, safe="")
    port = f":{server.port}" if server.port else ""
    query = "&".join(f"{name}={quote(value, safe='/')}" for name, value in parameters.items())
    return f"{scheme}://{_login(server)}{host}{port}/{path}" + (f"?{query}" if query else "")


def _tls(address: BrokerAddress) -> dict[str, str]:
    """What both libraries are told of TLS: kombu would not check the certificate unless it is asked to."""
    if not address.tls:
        return {}
    said = {name: value for name, value in address.parameters if name.startswith("ssl_")}
    return {**said, "ssl_cert_reqs": _reqs(said)}


def _reqs(said: dict[str, str]) -> str:
    return said.get("ssl_cert_reqs", "required").lower().removeprefix("cert_")


def _amqp_tls(address: BrokerAddress) -> dict[str, Any]:
    said = dict(address.parameters)
    reqs = _reqs(said)
    found: dict[str, Any] = {"cert_reqs": _REQS[reqs]}
    for name in ("ca_certs", "certfile", "keyfile"):
        if f"ssl_{name}" in said:
            found[name] = said[f"ssl_{name}"]
    # kombu keeps the first name that it filled in: right for one server only.
    if reqs != "none" and len(address.servers) == 1:
        found["server_hostname"] = None
    return found


def _same(address: BrokerAddress) -> list[Server]:
    """The servers with the first one's user and password: those of the master that they lead to."""
    first = address.servers[0]
    return [
        Server(server.host, server.port or SENTINEL_PORT, first.user, first.password)
        for server in address.servers
    ]


def _sentinels_own(address: BrokerAddress) -> dict[str, Any]:
    """How the Sentinels themselves are asked: one that is away is left for the next one at once."""
    said = dict(address.parameters)
    names = {"username": "sentinel_username", "password": "sentinel_password"}
    return {
        **{name: said[key] for name, key in names.items() if key in said},
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
