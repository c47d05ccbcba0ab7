"""The doctor at the database: over the way that workers take, for what they need of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from safelight import deps
from safelight.cli.verdicts import Check, Verdict
from safelight.db import health, jobs, ticks
from safelight.db.connecting import Connector
from safelight.db.faults import told_apart
from safelight.db.migrate import check
from safelight.db.transaction import Database
from safelight.domain import database_address
from safelight.settings import Settings

SKEW_WARN, SKEW_FAIL = 30.0, 300.0
"""Seconds. Stores refuse a signed request from a clock that is a quarter of an hour off; webhooks are
believed for five minutes."""
FEW_CONNECTIONS = 40
"""All pools, the clock and an API on one machine hold about 14 at rest (docs/architecture.md)."""


def look(settings: Settings) -> Iterator[Check]:
    """The server, our rights, the schema, the queues and the clock."""
    url = settings.database_url.get_secret_value()
    where = database_address.read(url).where
    # First alone: it says at once what is wrong, where a pool would try for a while.
    connector = Connector(url, settings.database_pooler)
    with told_apart():
        connector.connect().close()
    missing = check(connector)
    db = deps.open_database(settings, lambda _hints: None, 1)
    try:
        found = list(_server(db, where, connector.pooled, missing))
        yield from found
        if not any(check.verdict == "fail" for check in found):
            yield from _work(db, settings)
    finally:
        db.close()


def _server(db: Database, where: str, pooled: bool, missing: list[str]) -> Iterator[Check]:
    before = datetime.now(UTC)
    with db.transaction() as tx:
        server = health.server(tx)
        rights = health.rights(tx)
    here = before + (datetime.now(UTC) - before) / 2
    way = ", through a pooler in transaction mode" if pooled else ""
    said = f"{where}{way}, PostgreSQL {server.release}"
    if server.version < health.OLDEST:
        yield Check("database", "fail", said, "Safelight needs PostgreSQL 15 or later.")
    elif server.encoding != "UTF8":
        remedy = "Make it with ENCODING 'UTF8': names and captions are in every language."
        yield Check("database", "fail", f"{said}, encoded as {server.encoding}", remedy)
    elif server.read_only:
        yield Check(
            "database", "fail", f"{said}, takes no writes", "Lead DATABASE_URL to the primary."
        )
    elif missing:
        remedy = "Run `safelight db migrate`."
        if not server.may_create or rights.not_owned:
            remedy += f" As its owner: {server.role} may not change this schema."
        said = f"{said}, {len(missing)} migration(s) behind"
        yield Check("database", "fail", said, remedy)
    elif rights.closed or not server.may_make_temporary:
        closed = ", ".join(rights.closed[:5]) or "temporary ones"
        yield Check(
            "database",
            "fail",
            f"{said}: {server.role} may not read and write {closed}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ... TO {server.role}, "
            "and TEMPORARY on the database.",
        )
    else:
        yield Check("database", "ok", f"{said}, schema up to date")
        if not server.may_create or rights.not_owned:
            yield Check(
                "database",
                "ok",
                f"{server.role} may work, and not migrate: that is for the schema's owner",
            )
    if server.max_connections < FEW_CONNECTIONS and not pooled:
        yield Check(
            "database",
            "warn",
            f"it takes {server.max_connections} connections in all",
            "Workers wait where none is free: raise max_connections, or put a pooler before it.",
        )
    yield skew("database", (here - server.now).total_seconds())


def skew(whose: str, seconds: float) -> Check:
    """How far this machine's clock is from *whose* (positive: ahead)."""
    off = abs(seconds)
    verdict: Verdict = "ok" if off < SKEW_WARN else "warn" if off < SKEW_FAIL else "fail"
    way = "ahead of" if seconds > 0 else "behind"
    said = f"this machine's is {off:.0f} s {way} the {whose}'s" if off >= 1 else f"as the {whose}'s"
    return Check("time", verdict, said, "" if verdict == "ok" else "Set it by NTP.")


def _work(db: Database, settings: Settings) -> Iterator[Check]:
    with db.transaction() as tx:
        queues = jobs.counts(tx)
        alive = ticks.signs_of_life(tx)
    for queue in queues:
        if queue["paused"]:
            said = f"paused: {queue['paused_reason'] or 'no reason given'}"
            yield Check(queue["queue"], "warn", said, f"`safelight resume {queue['queue']}`")
        elif queue["parked"]:
            yield Check(
                queue["queue"],
                "warn",
                f"{queue['parked']} parked",
                "`safelight jobs --state parked`",
            )
        elif queue["oldest_due_seconds"] > 30:
            yield Check(
                queue["queue"],
                "fail",
                f"a job is due since {queue['oldest_due_seconds']:.0f} s",
                f"Is its worker up? `celery -A workers.{queue['queue']} worker`",
            )
    age = alive["clock_seconds"]
    if age is None or age > 4 * settings.cleanup_seconds:
        said = "no tick yet" if age is None else f"last tick {age:.0f} s ago"
        yield Check("clock", "warn", said, "Is it up? `python -m workers.beat`")
    else:
        yield Check("clock", "ok", f"last slot {age:.0f} s ago")
