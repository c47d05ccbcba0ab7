"""`BROKER_URL`: which broker it leads to, and whether hints would get there.

Whatever Celery can be pointed at is refused here unless hints go through it, their number can be asked
for and a worker in another process gets them: a broker that takes them and passes none on looks alive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from safelight.domain import given
from safelight.domain.given import Malformed

EXAMPLE = "redis://user:password@host:6379/0 or amqp://user:password@host:5672/vhost"

Kind = Literal["redis", "socket", "sentinel", "amqp"]

_KINDS: dict[str, Kind] = {
    "redis": "redis",
    "rediss": "redis",
    "valkey": "redis",
    "valkeys": "redis",
    "redis+socket": "socket",
    "valkey+socket": "socket",
    "unix": "socket",
    "sentinel": "sentinel",
    "amqp": "amqp",
    "amqps": "amqp",
    "pyamqp": "amqp",
}
_CLUSTER = (
    "leads to a cluster, over whose servers the broker's library cannot spread one queue: "
    "give it a Redis or Valkey of its own (redis://), or RabbitMQ (amqp://)"
)
_NOWHERE = "passes nothing on to other processes: hints would go nowhere"
_REASONS = {
    "memory": _NOWHERE,
    "filesystem": _NOWHERE,
    "redis+cluster": _CLUSTER,
    "rediss+cluster": _CLUSTER,
    "redis-cluster": _CLUSTER,
    "valkey+cluster": _CLUSTER,
    "redis+sentinel": "is written sentinel:// here (docs/runbook.md, 'Broker')",
    "redis-sentinel": "is written sentinel:// here (docs/runbook.md, 'Broker')",
    "sentinels": "is written sentinel:// here, and goes without TLS",
    "pyamqps": "is written amqps:// here",
    "rabbitmq": "is written amqp:// here",
    "librabbitmq": "needs a library that is not maintained: write amqp://",
    "postgres": "is the database's (DATABASE_URL): the broker is a Redis, a Valkey or RabbitMQ",
    "postgresql": "is the database's (DATABASE_URL): the broker is a Redis, a Valkey or RabbitMQ",
} | dict.fromkeys(
    (
        *("sqs", "azureservicebus", "azurestoragequeues", "gcpubsub", "kafka", "confluentkafka"),
        *("mongodb", "zookeeper", "consul", "etcd", "sqlalchemy", "sqla", "pgmq", "slmq", "pyro"),
        *("qpid", "mqtt", "nats", "stomp", "http", "https"),
    ),
    "is no broker that Safelight works with: take a Redis or Valkey (redis://), or RabbitMQ (amqp://)",
)

_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
_REQS = {"required", "optional", "none", "cert_required", "cert_optional", "cert_none"}
_NAMED = {
    "redis": {*_TLS, "db", "virtual_host"},
    "socket": {"db", "virtual_host"},
    "sentinel": {"master_name", "sentinel_username", "sentinel_password"},
    "amqp": {*_TLS[:-1], "heartbeat"},
}
# Settings of a client, which has its own here.
_CLIENTS_OWN = {
    *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"),
    *("health_check_interval", "max_connections", "decode_responses", "encoding", "protocol"),
    *("client_name", "timeout", "family", "connection_timeout", "channel_max", "frame_max"),
    *("blocked_connection_timeout", "connection_attempts", "retry_delay", "connect_timeout"),
}


@dataclass(frozen=True, slots=True)
class Server:
    """One server of an address; user and password as they are, nothing quoted."""

    host: str
    """A folder's path for a socket."""
    port: int | None
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """An address, taken apart."""

    kind: Kind
    tls: bool
    servers: tuple[Server, ...]
    path: str
    """The number of the database (of a Redis), or the virtual host, quoted; without the first slash."""
    parameters: tuple[tuple[str, str], ...]
    """As they are, nothing quoted."""
    notes: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its passwords."""
        also = [value for name, value in self.parameters if name == "sentinel_password"]
        return tuple(word for word in (*(s.password for s in self.servers), *also) if word)

    @property
    def database(self) -> int:
        """The number of a Redis' database."""
        return int(_database(dict(self.parameters), self.path))

    @property
    def plain(self) -> tuple[str, ...]:
        """Users and hosts: no secrets."""
        return tuple(word for s in self.servers for word in (s.user, s.host) if word)

    @property
    def where(self) -> str:
        """Its servers, to be shown."""
        return ", ".join(f"{s.host}:{s.port}" if s.port else s.host for s in self.servers)


def read(text: str) -> BrokerAddress:
    """What *text* leads to.

    Raises:
        Malformed: hints would not get anywhere, or it cannot be right; no part of it is in the message
            that could be secret.
    """
    text = given.unspaced(text)
    parts = [part for part in text.split(";") if part]
    if not parts:
        raise Malformed(f"it is no address: one looks like {EXAMPLE}")
    scheme, _ = given.scheme_of(parts[0], EXAMPLE)
    kind = _KINDS.get(scheme)
    if kind is None:
        raise given.foreign(scheme, _REASONS, EXAMPLE)
    if len(parts) > 1 and kind in ("redis", "socket"):
        raise Malformed(
            "it names several Redis servers: hints sent to one would wait while the workers listen to "
            "another. Name one, or let Sentinel choose (sentinel://); a password's ; is %3B"
        )
    servers, notes = [], []
    path = ""
    found: dict[str, str] = {}
    for part in parts:
        own, rest = given.scheme_of(part, EXAMPLE)
        if own != scheme:
            raise Malformed("the addresses in its list differ in their schemes")
        server, at, query = _server(kind, rest)
        servers.append(server)
        path = path or at
        for name, value in given.parameters(query):
            found[name.lower()] = unquote(value)
    for name in [name for name in found if name in _CLIENTS_OWN]:
        del found[name]
        notes.append(f"{name} is left out (a client's own; ours is set as it has to be)")
    tls = scheme in ("rediss", "valkeys", "amqps")
    _check(kind, path, found, tls=tls)
    if kind == "redis" and tls and "ssl_cert_reqs" not in found:
        notes.append("the server's certificate is checked (ssl_cert_reqs=none leaves that out)")
    return BrokerAddress(kind, tls, tuple(servers), path, tuple(found.items()), tuple(notes))


def _server(kind: Kind, rest: str) -> tuple[Server, str, str]:
    """One server, the path behind it and its parameters."""
    names, after = given.authority(rest, "/?#")
    # To the last @, and a % that quotes nothing stays: so have all of a broker's clients read it.
    userinfo, _, host = names.rpartition("@")
    user, _, password = userinfo.partition(":")
    path, _, query = after.partition("?")
    if "#" in after:
        raise Malformed(f"it holds a # that is not quoted ({given.RESERVED})")
    if kind == "socket":
        if not path.strip("/"):
            raise Malformed("it names no socket: redis+socket:///path/to/the.sock")
        return Server(unquote(path), None, unquote(user), unquote(password)), "", query
    name, port = host, ""
    if not re.fullmatch(r"\[[^\]]*\]", host):
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "")
    given.port_of(port)
    if not name and kind == "sentinel":
        raise Malformed("it names no host")
    server = Server(
        unquote(name) or "localhost", int(port) if port else None, unquote(user), unquote(password)
    )
    return server, path.removeprefix("/"), query


def _database(found: Mapping[str, str], path: str) -> str:
    return found.get("db") or found.get("virtual_host") or path or "0"


def _check(kind: Kind, path: str, found: dict[str, str], *, tls: bool) -> None:
    for name in found:
        if name not in _NAMED[kind]:
            known = ", ".join(sorted(_NAMED[kind]))
            raise Malformed(f"its parameter {name!r} is not one that is known here ({known})")
        if name.startswith("ssl_") and not tls:
            raise Malformed(
                f"its parameter {name!r} asks for TLS, and its scheme does not (rediss, amqps)"
            )
    if found.get("ssl_cert_reqs", "none").lower() not in _REQS:
        raise Malformed("its ssl_cert_reqs is none of required, optional, none")
    if kind == "sentinel" and not found.get("master_name"):
        raise Malformed(
            "Sentinel is asked for a master by its name, and none is given: add ?master_name=NAME"
        )
    if kind != "amqp":
        number = _database(found, path)
        if not (number.isascii() and number.isdigit() and len(number) < 6):
            raise Malformed("the database of a Redis is a number: redis://host:6379/0")
