"""What every command shares: where the system is, who asks, how things are printed."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from rich.console import Console
from rich.table import Table

from safelight import config, logging
from safelight.domain import money
from safelight.domain.errors import Invalid, NotFound

if TYPE_CHECKING:
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context

out = Console()
err = Console(stderr=True)

STATE_COLORS = {
    "succeeded": "green",
    "done": "green",
    "active": "green",
    "accepted": "green",
    "failed": "red",
    "parked": "red",
    "rejected": "red",
    "blocked": "red",
    "unknown": "red",
    "canceled": "yellow",
    "archived": "dim",
}


def environment() -> dict[str, str]:
    """The environment, with what a running `safelight up` says of itself where nothing is set."""
    env = config.environment()
    if "DATABASE_URL" not in env:
        from safelight.local.state import read_environment

        env |= read_environment(config.home(env)) or {}
    return env


@contextmanager
def system() -> Iterator[tuple[Context, Actor]]:
    """The open connections, and the owner whom `SAFELIGHT_OWNER` names (default: local)."""
    from safelight import deps
    from safelight.db import owners
    from safelight.flow.commands import Actor

    env = environment()
    if "DATABASE_URL" not in env:
        raise config.NotConfigured(
            "Nothing is running here.",
            hint="Start it with `safelight up` in another terminal, or set DATABASE_URL, BROKER_URL, "
            "S3_ENDPOINT_URL and REPLICATE_API_TOKEN (README, 'Real services').",
        )
    logging.setup("console", "ERROR")
    cx = deps.open_context(config.load(env), "cli", connections=2)
    try:
        with cx.db.transaction() as tx:
            owner = owners.ensure(tx, env.get("SAFELIGHT_OWNER", "local"))
        yield cx, Actor(owner.id, f"cli:{_user()}")
    finally:
        deps.close_context(cx)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in the password file
        return "unknown"


def emulated(env: dict[str, str]) -> bool:
    """Whether the provider is the emulator on this machine."""
    return "127.0.0.1" in env.get("REPLICATE_BASE_URL", "")


def short(id: UUID | None) -> str:
    """The last 12 hex digits: enough to tell ids apart, and accepted wherever an id is."""
    return str(id)[-12:] if id else ""


def find_id(text: str, among: Iterable[UUID], what: str) -> UUID:
    """The id that *text* names: whole, or its last digits. NotFound; Invalid if it fits several."""
    try:
        return UUID(text)
    except ValueError:
        pass
    fits = {id for id in among if text and str(id).endswith(text.lower())}
    if len(fits) == 1:
        return fits.pop()
    if fits:
        listed = ", ".join(str(id) for id in sorted(fits)[:5])
        raise Invalid(f"{text!r} fits {len(fits)} {what}s: {listed}.")
    raise NotFound(f"There is no {what} {text!r}.", hint=f"`safelight {what}s` lists them.")


def say_json(value: Any) -> None:
    """One JSON document on stdout."""
    from safelight.db.jsons import dumps

    sys.stdout.write(json.dumps(json.loads(dumps(value)), indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; nothing to show is said."""
    shown = Table(title=title, title_justify="left", title_style="bold", expand=False)
    for column in columns:
        right = column in ("step", "loss", "bytes", "rank", "attempts", "photos", "due", "waiting")
        shown.add_column(column, justify="right" if right else "left", overflow="fold")
    count = 0
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
        count += 1
    out.print(shown if count else f"[bold]{title}[/]: none")


def state(word: str) -> str:
    """A state in its colour."""
    color = STATE_COLORS.get(word)
    return f"[{color}]{word}[/]" if color else word


def ago(at: datetime | None) -> str:
    """How long ago, in one unit."""
    if at is None:
        return ""
    seconds = (datetime.now(UTC) - at).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def duration(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def dollars(micro: int | None) -> str:
    """Micro-dollars as dollars."""
    return "" if micro is None else money.dollars(micro)


def size(bytes: int) -> str:
    """Bytes in megabytes, as the field counts weights."""
    return f"{bytes / 1_000_000:.1f} MB"
