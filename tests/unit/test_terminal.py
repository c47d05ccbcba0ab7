"""What commands print: other people's words are text, whatever the terminal, and ids stay whole."""

from __future__ import annotations

import ast
import io
import json
import logging as standard
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from safelight import logging
from safelight.cli import console
from safelight.cli.console import Terminal, say_error, say_json, styled, table
from safelight.cli.widths import fit
from safelight.domain.audit_page import audit_page
from safelight.domain.errors import Invalid
from safelight.domain.ids import new_id
from safelight.domain.texts import on_page, shown_json, speaks_to_terminals
from safelight.local.logs import Log
from safelight.local.process import LocalError

CLI = Path(console.__file__).parent
HOSTILE = "\x1b]0;PWNED\x07\x9b2J[red]M[/nope]\u202e[link=http://e.example]L\rN\nJ: fake :tada:"


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is printed on a terminal of 80 columns with colours."""
    said = io.StringIO()
    for name in ("out", "err"):
        made = Terminal()
        made.file, made._force_terminal, made._width = said, True, 80
        monkeypatch.setattr(console, name, made)
    return said


def test_a_text_that_is_printed_is_no_markup_no_emoji_and_no_escape(screen: io.StringIO) -> None:
    console.out.print(HOSTILE)
    console.out.print(Path(HOSTILE))
    console.out.print(styled(("red:", "red"), HOSTILE))
    table(HOSTILE, ("id", HOSTILE), [(HOSTILE, styled((HOSTILE, "red")))])
    say_error(Invalid(HOSTILE, hint=HOSTILE))
    say_error(LocalError("It ended:", said=[HOSTILE]))
    for line in screen.getvalue().split("\n"):
        assert not speaks_to_terminals(line.replace("\x1b[31m", "").replace("\x1b[0m", "")), line
        assert not line.startswith("J: fake")
    assert screen.getvalue().count("[red]M[/nope]") >= 3
    assert ":tada:" in screen.getvalue()


def test_commands_print_through_the_one_place_that_takes_words_as_they_are() -> None:
    """Markup, other ways to print and texts of rich's own would let a name through again."""
    for path in CLI.glob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            where = f"{path.name}:{getattr(node, 'lineno', 0)}"
            match node:
                case ast.ImportFrom(module="rich.markup" | "rich.emoji"):
                    pytest.fail(f"{where}: markup")
                case ast.keyword(arg="markup" | "highlight" | "emoji") if path.name != "console.py":
                    pytest.fail(f"{where}: the consoles decide that")
                case ast.Call(func=ast.Name(id="print" | "Text" | "Console" | "escape")):
                    assert path.name == "console.py", f"{where}: print with `out`, make a `styled`"
                case ast.Call(func=ast.Attribute(attr="assemble" | "from_markup" | "from_ansi")):
                    pytest.fail(f"{where}: make a `styled`")
                case ast.Call(func=ast.Attribute(attr="echo" | "secho" | "write")):
                    assert path.name == "console.py", f"{where}: print with `out`"


@pytest.mark.parametrize("name", ["out", "err"])
def test_both_consoles_are_of_that_kind(name: str) -> None:
    assert isinstance(getattr(console, name), Terminal)


def test_json_is_exact_and_says_nothing_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say_json({"name": f"{HOSTILE} été 天狗"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": f"{HOSTILE} été 天狗"}
    assert not any(map(speaks_to_terminals, printed.split("\n")))
    assert "été 天狗" in printed


@given(st.text(alphabet=st.characters(codec=None)))
def test_json_that_is_shown_is_the_same_value(text: str) -> None:
    shown = shown_json(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert not speaks_to_terminals(shown)


def test_an_error_is_wrapped_at_words_and_no_id_in_it_is_broken(screen: io.StringIO) -> None:
    ids = [str(new_id()) for _ in range(4)]
    say_error(Invalid(f"This fits {', '.join(ids)} and no other.", hint=f"Say {ids[0]} in full."))
    lines = screen.getvalue().splitlines()
    assert all(Text.from_ansi(line).cell_len <= 80 for line in lines)
    assert all(any(id in line for line in lines) for id in ids)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_in_a_table_ids_and_states_are_whole(
    width: int, screen: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.out._width = width
    ids = [str(new_id())[-12:] for _ in range(3)]
    rows = [(id, "A long name of a subject " * 3, 7, "succeeded", "13 min ago") for id in ids]
    table("Trainings", ("id", "subject", "no.", "state", "asked for"), rows)
    printed = screen.getvalue()
    assert all(id in printed for id in ids)
    assert printed.count("succeeded") == 3
    assert all(Text.from_ansi(line).cell_len <= width for line in printed.splitlines())


@given(
    st.lists(st.lists(st.text("ab ", max_size=40), min_size=1, max_size=4), min_size=1, max_size=8),
    st.integers(8, 200),
)
def test_columns_fill_the_room_and_break_words_only_where_they_must(
    columns: list[list[str]], room: int
) -> None:
    widths = fit(columns, room)
    words = [max((len(w) for text in c for w in text.split()), default=0) for c in columns]
    assert sum(widths) <= room
    if sum(words) <= room:
        assert all(width >= word for width, word in zip(widths, words, strict=True))


def test_what_cannot_be_broken_takes_the_room_of_what_can() -> None:
    assert fit([["0123456789ab"], ["x" * 50], ["y" * 50]], 32, {0}) == [12, 10, 10]
    assert fit([["0123456789ab"], ["x" * 50]], 6, {0})[0] == 12


def test_a_service_that_says_escapes_does_not_say_them_to_the_terminal(tmp_path: Path) -> None:
    stream = io.StringIO()
    log = Log(tmp_path, ["api"], stream=stream)
    log.line("api", f"\tPOST {HOSTILE}")
    log.close()
    for said in (stream.getvalue(), (tmp_path / "api.log").read_text()):
        assert [speaks_to_terminals(line) for line in said.split("\n")] == [False, False]
        assert "[red]M[/nope]" in said


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_log_line_shows_names_and_obeys_none(
    format: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    root = standard.getLogger()
    kept = (list(root.handlers), root.level)
    try:
        logging.setup(format, component="test")
        logging.get("ours").info(HOSTILE, name=HOSTILE, **{f"key {HOSTILE}": 1})
        standard.getLogger("theirs").warning("said %s", HOSTILE)
        try:
            raise RuntimeError(HOSTILE)
        except RuntimeError:
            logging.get("ours").exception("failed", names=[HOSTILE])
    finally:
        root.handlers[:], level = kept
        root.setLevel(level)
    printed = capsys.readouterr().err
    assert not any(map(speaks_to_terminals, printed.split("\n")))
    if format == "json":
        first = json.loads(printed.splitlines()[0])
        assert (first["event"], first["name"]) == (HOSTILE, HOSTILE)


def test_a_page_turns_no_line_around_and_takes_no_markup() -> None:
    assert on_page("a\u202eb<i title='x'>") == "a\\u202eb&lt;i title=&#x27;x&#x27;&gt;"
    audit = {
        "subject": {"name": HOSTILE},
        "read": True,
        "versions": [],
        "verdict": "ok",
        "at": "now",
    }
    assert not any(map(speaks_to_terminals, audit_page(audit).split("\n")))


def safelight(*arguments: str, home: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("DATABASE", "SAFELIGHT", "LC_"))
    }
    return subprocess.run(
        (sys.executable, "-m", "safelight.cli", *arguments),
        capture_output=True,
        env={**kept, "SAFELIGHT_HOME": str(home), **env},
        timeout=60,
        check=False,
    )


def test_a_terminal_that_has_only_ascii_ends_no_command(tmp_path: Path) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for arguments in (["--help"], ["presets"], ["profiles", "--json"], ["status", "Übergröße 天"]):
        done = safelight(*arguments, home=tmp_path, **ascii_only)
        assert b"Traceback" not in done.stderr, (arguments, done.stderr[-500:])
        done.stdout.decode("ascii")
        if "--json" in arguments:
            json.loads(done.stdout)


def test_the_version_is_told(tmp_path: Path) -> None:
    from importlib.metadata import version

    done = safelight("--version", home=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"safelight {version('safelight')}\n".encode())


def test_an_argument_that_is_none_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    """A shell puts file names there."""
    done = safelight("status", "one", "\x1b]0;PWNED\x07", home=tmp_path)
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert b"\\x1b]0;PWNED" in done.stderr
