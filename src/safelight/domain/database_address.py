"""`DATABASE_URL` as people paste it: what libpq makes of it, or what is wrong with it.

Dashboards and frameworks write addresses for their own drivers. A driver's name in the scheme and
parameters that only a driver knows are taken off, with a word; what would change what the address
means is never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from safelight.domain import given
from safelight.domain.given import Malformed

EXAMPLE = "postgresql://user:password@host:5432/database"

_OTHERS = {
    "mysql": "is MySQL's: Safelight needs PostgreSQL 15 or later",
    "mysql2": "is MySQL's: Safelight needs PostgreSQL 15 or later",
    "mariadb": "is MariaDB's: Safelight needs PostgreSQL 15 or later",
    "sqlite": "is SQLite's: Safelight needs PostgreSQL 15 or later",
    "sqlite3": "is SQLite's: Safelight needs PostgreSQL 15 or later",
    "mssql": "is SQL Server's: Safelight needs PostgreSQL 15 or later",
    "sqlserver": "is SQL Server's: Safelight needs PostgreSQL 15 or later",
    "oracle": "is Oracle's: Safelight needs PostgreSQL 15 or later",
    "mongodb": "is MongoDB's: Safelight needs PostgreSQL 15 or later",
    "cockroachdb": "is CockroachDB's: Safelight needs PostgreSQL 15 or later",
    "redis": "is a broker's (BROKER_URL)",
    "rediss": "is a broker's (BROKER_URL)",
    "amqp": "is a broker's (BROKER_URL)",
    "prisma": "leads to Prisma's own proxy: give the database's own address",
    "jdbc:postgresql": f"is Java's way of writing it: write {EXAMPLE}",
    "http": "is a web page's: give the database's own address",
    "https": "is a web page's: give the database's own address",
}

# Known to drivers and platforms, and without effect on us: pools, caches and timeouts of their own.
_DRIVERS_OWN = frozenset(
    {
        *("connection_limit", "pool_timeout", "pool_size", "pool_recycle", "max_overflow", "pool"),
        *("pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "max_pool_size"),
        *("maxpoolsize", "minpoolsize", "max", "min", "conn_max_age", "conn_health_checks"),
        *("statement_cache_size", "prepared_statement_cache_size", "preparethreshold"),
        *("prepared_statement_name_func", "prepared_statements", "prepare_threshold"),
        *("socket_timeout", "sockettimeout", "logintimeout", "command_timeout", "timeout"),
        *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"),
        *("max_idle_connection_lifetime", "max_connection_lifetime", "idle_timeout"),
        *("supa", "workaround", "uselibpqcompat", "async_fallback", "charset", "encoding"),
        *("reconnect", "tcpkeepalive", "keepalive", "adapter", "autosave"),
    }
)
_SSL_WORDS = {
    "true": "require",
    "1": "require",
    "yes": "require",
    "on": "require",
    "false": "disable",
    "0": "disable",
    "no": "disable",
    "off": "disable",
    # node-pg's: encrypted, and nobody asked who is at the other end. libpq calls that so:
    "no-verify": "require",
}
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SECRETS = {"password", "sslpassword", "oauth_client_secret", "scram_client_key"}


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """An address, as libpq takes it."""

    url: str
    pooled: bool = False
    """It says of itself that a pooler is there (`?pgbouncer=true`)."""
    notes: tuple[str, ...] = ()
    """What was taken off, for the doctor."""
    secrets: tuple[str, ...] = ()
    plain: tuple[str, ...] = ()
    """User, hosts and database: no secrets."""
    where: str = ""
    """Host and database, to be shown."""


def read(text: str) -> DatabaseAddress:
    """What *text* leads to: a URL, or libpq's `key=value` words.

    Raises:
        Malformed: it cannot be right; the message holds no part of it that could be secret.
    """
    text = given.one_line(text)
    if "://" not in text.partition("=")[0] and re.match(r"\w+\s*=", text):
        return _of_words(text)
    text = given.unspaced(text)
    scheme, rest = given.scheme_of(text, EXAMPLE)
    base, plus, _ = scheme.partition("+")
    if base not in ("postgres", "postgresql", "postgis", "pgsql"):
        raise given.foreign(scheme, _OTHERS, EXAMPLE)
    notes = []
    if plus or base in ("postgis", "pgsql"):
        notes.append(f"{scheme}:// is read as postgresql://")
    names, after = given.authority(rest, "/")
    at = names.find("@")
    hosts, mark, more = names[at + 1 :].partition(
        "?"
    )  # before the @ libpq reads it as the password's
    if "@" in hosts:
        raise Malformed(f"its password holds an @ that is not quoted ({given.RESERVED})")
    userinfo = names[:at] if at >= 0 else ""
    user, colon, password = userinfo.partition(":")
    given.quoted(userinfo)
    given.quoted(hosts)
    for host in hosts.split(","):
        given.port_of(re.sub(r"\[[^\]]*\]", "", host).partition(":")[2])
    path, question, query = after.partition("?") if not mark else ("", mark, more + after)
    given.quoted(path)
    kept = _Parameters(given.parameters(query) if question else [])
    address = f"postgresql://{userinfo}{'@' if at >= 0 else ''}{hosts}{path}"
    said = {name: unquote(value) for name, value in kept.found}
    host = unquote(hosts) or said.get("host", "") or "the local socket"
    database = unquote(path.removeprefix("/")) or said.get("dbname", "")
    secrets = {password, unquote(password), *kept.secrets} if colon else kept.secrets
    return DatabaseAddress(
        given.with_parameters(address, kept.found),
        kept.pooled,
        tuple(notes + kept.notes),
        tuple(sorted(secret for secret in secrets if secret)),
        tuple(word for word in (unquote(user), said.get("user", ""), host, database) if word),
        f"{host}/{database}" if database else host,
    )


class _Parameters:
    """What is left of an address's parameters, and what the others said."""

    def __init__(self, all: list[tuple[str, str]]) -> None:
        self.found: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.secrets: set[str] = set()
        self.pooled = False
        for name, value in all:
            self._take(name, value)

    def _take(self, name: str, value: str) -> None:
        known, word = name.lower(), unquote(value).strip().lower()
        if known in _SECRETS:
            self.secrets |= {value, unquote(value)}
        if known in ("pgbouncer", "pool_mode"):
            self.pooled = self.pooled or word in ("true", "1", "yes", "on", "transaction")
            self.notes.append(f"{name} is taken as SAFELIGHT_DATABASE_POOLER")
        elif known in ("schema", "currentschema", "search_path"):
            if word not in ("", "public"):
                raise Malformed(
                    f"{name} asks for another schema than public: set it for the role instead "
                    "(ALTER ROLE ... SET search_path = ...), and take it out"
                )
            self.notes.append(f"{name} is left out")
        elif known in ("ssl", "sslmode"):
            mode = _SSL_WORDS.get(word, word)
            if mode not in _MODES:
                raise Malformed(f"its {known} is none of {', '.join(_MODES)}")
            # Said twice, the stricter one holds: libpq would take the last.
            before = next((value for name, value in self.found if name == "sslmode"), None)
            if before is not None:
                self.found.remove(("sslmode", before))
                mode = max(before, mode, key=_MODES.index)
            self.found.append(("sslmode", mode))
            if (known, word) != ("sslmode", mode):
                self.notes.append(f"{known}={word} is read as sslmode={mode}")
        elif known == "sslaccept":
            if word == "strict":
                raise Malformed(
                    "sslaccept=strict is Prisma's: write sslmode=verify-full&sslrootcert=system"
                )
            self.notes.append(f"{name} is left out")
        elif known in _DRIVERS_OWN:
            self.notes.append(f"{name} is left out (a driver's own; ours has no use for it)")
        else:
            self.found.append((name, value))


_WORD = re.compile(r"\s*(\w+)\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|[^\s'\\])*)(?=\s|$)\s*")


def _of_words(text: str) -> DatabaseAddress:
    """libpq's `host=... dbname=...`."""
    at, all = 0, []
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise Malformed(
                f"the words after character {at} are no key=value; a value that holds white space or "
                "a quotation mark stands in '...', with \\ before ' and \\"
            )
        value = found[2]
        if value[:1] == "'":
            value = value[1:-1]
        all.append((found[1], re.sub(r"\\(.)", r"\1", value)))
        at = found.end()
    kept = _Parameters(all)
    said = dict(kept.found)
    host = said.get("host") or said.get("hostaddr") or "the local socket"
    if "service" in said:
        host = f"service {said['service']}"
    database = said.get("dbname", "")
    return DatabaseAddress(
        " ".join(f"{name}={_word(value)}" for name, value in kept.found),
        kept.pooled,
        tuple(kept.notes),
        tuple(sorted(secret for secret in kept.secrets if secret)),
        tuple(word for word in (said.get("user", ""), host, database) if word),
        f"{host}/{database}" if database else host,
    )


def _word(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
