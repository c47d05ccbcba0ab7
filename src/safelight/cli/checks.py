"""What the doctor looks at. Each check is a verdict, what was seen, and what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from safelight import config, deps
from safelight.config import Settings
from safelight.domain.errors import SafelightError
from safelight.vision import models

Verdict = Literal["ok", "warn", "fail"]
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
FREE_GIB = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    seen: str
    remedy: str = ""


def run_all(env: Mapping[str, str]) -> list[Check]:
    """Every check, in the order in which one needs the other."""
    found = [_python(), _disk(config.home(dict(env))), _models(config.models_folder(env))]
    try:
        settings = config.load(env)
    except SafelightError as error:
        return [*found, Check("settings", "fail", error.message, error.hint or "")]
    found.append(Check("settings", "ok", "all that is needed is set"))
    for what, look in (
        ("database", _database),
        ("broker", _broker),
        ("object store", _store),
        ("provider", _provider),
    ):
        found.extend(_told(what, look, settings))
    return found


def _models(folder: Path) -> Check:
    wrong = models.check(folder)
    if not wrong:
        return Check("models", "ok", f"all {len(models.MODELS)} of the eye's are in {folder}")
    return Check("models", "warn", " ".join(wrong.values()), models.FETCH_HINT)


def _told(
    what: str, look: Callable[[Settings], Iterator[Check]], settings: Settings
) -> Iterator[Check]:
    try:
        yield from look(settings)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the doctor has to tell)
        hint = getattr(error, "hint", None)
        yield Check(what, "fail", str(error) or type(error).__name__, hint or f"Is the {what} up?")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Check("python", "ok" if good else "fail", version, "" if good else "Use 3.11 to 3.13.")


def _disk(folder: Path) -> Check:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free / 1024**3
    if free > FREE_GIB:
        return Check("disk", "ok", f"{free:.0f} GiB free at {there}")
    return Check("disk", "warn", f"{free:.1f} GiB free at {there}", "Weights take 170 MB and more.")


def _database(settings: Settings) -> Iterator[Check]:
    from safelight.db import jobs, ticks
    from safelight.db.migrate import check
    from safelight.db.transaction import Database

    url = settings.database_url.get_secret_value()
    missing = check(url)
    if missing:
        said = f"{len(missing)} migration(s) behind"
        yield Check("database", "fail", said, "Run `safelight db migrate`.")
        return
    yield Check("database", "ok", f"{urlsplit(url).hostname}, schema up to date")
    db = Database(url, lambda _hints: None, size=1)
    try:
        with db.transaction() as tx:
            queues = jobs.counts(tx)
            alive = ticks.signs_of_life(tx)
    finally:
        db.close()
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


def _broker(settings: Settings) -> Iterator[Check]:
    from safelight.clients.broker import Broker

    broker = Broker(settings.broker_url.get_secret_value())
    try:
        broker.ping()
    finally:
        broker.close()
    yield Check("broker", "ok", "answers")


def _store(settings: Settings) -> Iterator[Check]:
    from safelight.clients.s3_probe import probe

    hosted = urlsplit(settings.replicate_base_url).hostname not in LOOPBACK
    store = deps.open_store(settings)
    try:
        for seen in probe(store, link_seconds=settings.input_link_seconds, hosted=hosted):
            yield Check("object store", seen.verdict, f"{seen.name}: {seen.seen}", seen.way_out)
    finally:
        store.close()


def _provider(settings: Settings) -> Iterator[Check]:
    provider = deps.open_provider(settings)
    try:
        account = provider.account()
        version = provider.latest_version(settings.trainer)
    finally:
        provider.close()
    host = urlsplit(settings.replicate_base_url).netloc
    said = f"account {account} at {host}, trainer version {version[:12]}"
    yield Check("provider", "ok", said + (" (EMULATED)" if host.startswith("127.") else ""))
