"""What every command shares: where the system is, who asks, how things are printed.

Names, captions, reasons and errors are other people's words. On a terminal they are text: what is
printed here is never read as markup, and what a terminal would obey is written out (`domain.texts`).
Words in a colour are a `Text` made by `styled`, so that a colour is always one of ours.
"""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.protocol import is_renderable
from rich.table import Table
from rich.text import Text

from safelight import config, logging
from safelight.cli.widths import fit
from safelight.domain import money
from safelight.domain.errors import SafelightError
from safelight.domain.states import JobState, PhotoState, TrainingState, VersionState
from safelight.domain.texts import shown, shown_json

if TYPE_CHECKING:
    from safelight.flow.commands import Actor
    from safelight.flow.context import Context


class Terminal(Console):
    """A console on which a str is text and nothing else: no markup, no emoji codes, no highlighting."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; what is neither a text nor made for a console is printed as its text."""
        super().print(*(o if is_renderable(o) else str(o) for o in objects), **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every str that is printed comes through here, also as a table's cell or title."""
        plain = {**options, "markup": False, "emoji": False, "highlight": False}
        return super().render_str(shown(text), **plain)


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
"""The option of what prints a document for programs instead of a table for people."""

out = Terminal()
err = Terminal(stderr=True)

STATE_COLORS: dict[str, str] = {
    TrainingState.SUCCEEDED: "green",
    JobState.DONE: "green",
    VersionState.ACTIVE: "green",
    PhotoState.ACCEPTED: "green",
    TrainingState.FAILED: "red",
    JobState.PARKED: "red",
    PhotoState.REJECTED: "red",
    TrainingState.BLOCKED: "red",
    TrainingState.UNKNOWN: "red",
    TrainingState.CANCELED: "yellow",
    VersionState.ARCHIVED: "dim",
}
_RIGHT = {"step", "loss", "bytes", "rank", "attempts", "photos", "due", "waiting"}
_WHOLE = {"id", "its id"}
"""Columns that are never broken: what stands in them is copied into the next command."""


def styled(*parts: str | tuple[str, str] | Text) -> Text:
    """A line of words, some in a style: a part is a text, a text with its style, or such a line."""
    made = Text()
    for part in parts:
        if isinstance(part, Text):
            made.append_text(part)
        else:
            text, style = (part, "") if isinstance(part, str) else part
            made.append(shown(text), style)
    return made


def environment() -> dict[str, str]:
    """The environment, with what a running `safelight up` says of itself where nothing is set."""
    env = config.given()
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


def survive_any_encoding() -> None:
    """Let what a stream cannot encode be written out (``\\u2713``), and not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # pytest's and IDEs' own have none
            stream.reconfigure(errors="backslashreplace")


def say_json(value: Any) -> None:
    """One JSON document on stdout: the value exactly, in characters that the stream has."""
    sys.stdout.write(_document(value) + "\n")


def show_json(value: Any) -> None:
    """The same for a person's eyes, in colours where there are any."""
    out.print(JSONHighlighter()(_document(value)), soft_wrap=True)


def _document(value: Any) -> str:
    from safelight.db.jsons import dumps

    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    document = json.dumps(json.loads(dumps(value)), indent=2, ensure_ascii=not unicode)
    return shown_json(document)


def say_error(error: SafelightError) -> None:
    """What went wrong and the way out, on stderr: wrapped at words on a terminal, else line by line."""
    wrap: dict[str, Any] = {"soft_wrap": not err.is_terminal}
    err.print(styled(("error:", "red"), f" {error.message}"), **wrap)
    for line in error.said:
        err.print(styled(f"  {line}"), **wrap)
    if error.hint:
        err.print(styled(f"       {error.hint}"), **wrap)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table; nothing to show is said. A cell is a `Text`, or anything as its text."""
    cells = [[_cell(cell) for cell in row] for row in rows]
    if not cells:
        out.print(styled((title, "bold"), ": none"))
        return
    texts = [[name, *(row[place].plain for row in cells)] for place, name in enumerate(columns)]
    whole = {place for place, name in enumerate(columns) if name in _WHOLE}
    widths = fit(texts, out.width - 2 * len(columns) + 1, whole)
    made = Table(
        title=styled(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
    for name, width in zip(columns, widths, strict=True):
        side: Literal["left", "right"] = "right" if name in _RIGHT else "left"
        made.add_column(styled(name), justify=side, overflow="fold", width=width)
    for row in cells:
        made.add_row(*row)
    out.print(made)


def _cell(cell: Any) -> Text:
    if isinstance(cell, Text):
        return cell
    return styled("" if cell is None else str(cell))


def state(word: str) -> Text:
    """A state in its colour."""
    return styled((word, STATE_COLORS.get(word, "")))


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
