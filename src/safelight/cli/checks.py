"""What the doctor looks at. Each check is a verdict, what was seen, and what to do."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from safelight import config, deps, sources
from safelight.cli import checks_broker, checks_database
from safelight.cli.verdicts import Check, all_at_once
from safelight.clients import dates
from safelight.domain.errors import SafelightError
from safelight.settings import Settings
from safelight.vision import models

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
FREE_GIB = 2
TOKEN = re.compile(r"r8_[A-Za-z0-9]{37}")
"""As the provider makes them today."""


def run_all(env: Mapping[str, str]) -> list[Check]:
    """Every check: what is on this machine, then all that is foreign, at once and within seconds."""
    found = [_python(), _disk(config.home(dict(env))), _models(config.models_folder(env))]
    try:
        settings = config.load(env)
        deps.require_files(settings)
    except SafelightError as error:
        return [*found, Check("settings", "fail", error.message, error.hint or "")]
    found.append(Check("settings", "ok", "all that is needed is set"))
    found += [Check("settings", "ok", said) for said in sources.remarks(config.resolved(env))]
    looks = (
        ("database", checks_database.look),
        ("broker", checks_broker.look),
        ("object store", _store),
        ("provider", _provider),
        ("time", _time),
    )
    return found + all_at_once([(what, partial(look, settings)) for what, look in looks])


def _models(folder: Path) -> Check:
    wrong = models.check(folder)
    if not wrong:
        return Check("models", "ok", f"all {len(models.MODELS)} of the eye's are in {folder}")
    return Check("models", "warn", " ".join(wrong.values()), models.FETCH_HINT)


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info[:2] < (3, 15)
    return Check("python", "ok" if good else "fail", version, "" if good else "Use 3.11 to 3.14.")


def _disk(folder: Path) -> Check:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free / 1024**3
    if free > FREE_GIB:
        return Check("disk", "ok", f"{free:.0f} GiB free at {there}")
    return Check("disk", "warn", f"{free:.1f} GiB free at {there}", "Weights take 170 MB and more.")


def _store(settings: Settings) -> Iterator[Check]:
    from safelight.clients.s3_probe import probe

    hosted = urlsplit(settings.replicate_base_url).hostname not in LOOPBACK
    store = deps.open_store(settings)
    try:
        for seen in probe(store, link_seconds=settings.input_link_seconds, hosted=hosted):
            yield Check("object store", seen.verdict, f"{seen.name}: {seen.seen}", seen.way_out)
    finally:
        store.close()


def _time(settings: Settings) -> Iterator[Check]:
    """Signed requests and webhooks are believed for minutes only."""
    for whose, url in (
        ("object store", settings.s3_endpoint_url or "https://s3.amazonaws.com"),
        ("provider", settings.replicate_base_url),
    ):
        seconds = dates.ahead_of(url)
        if seconds is not None:
            yield checks_database.skew(whose, seconds)


def _provider(settings: Settings) -> Iterator[Check]:
    token = settings.replicate_api_token.get_secret_value()
    url = urlsplit(settings.replicate_base_url)
    emulated = url.hostname in LOOPBACK
    if not emulated and not TOKEN.fullmatch(token):
        yield Check(
            "provider",
            "warn",
            f"REPLICATE_API_TOKEN does not look like one: it has {len(token)} characters",
            "One is r8_ and 37 letters and digits: replicate.com/account/api-tokens.",
        )
    provider = deps.open_provider(settings)
    try:
        account = provider.account()
        version = provider.latest_version(settings.trainer)
    finally:
        provider.close()
    said = f"account {account} at {url.netloc.rpartition('@')[2]}, trainer version {version[:12]}"
    yield Check("provider", "ok", said + (" (EMULATED)" if emulated else ""))
