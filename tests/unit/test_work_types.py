"""A work's three steps fit each other: mypy refuses a triple that does not, before anything runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

from safelight.domain import outcome
from safelight.flow import perform

SOURCE = Path(perform.__file__).parents[2]
STEPS = """
from safelight.domain.outcome import Done, Outcome
from safelight.flow.perform import Work

def begin(tx: object, job: object, cx: object) -> int | Outcome:
    return 1

def do(order: int, cx: object, pulse: object) -> str:
    return str(order)

def do_another(order: bytes, cx: object, pulse: object) -> str:
    return order.decode()

def settle(tx: object, job: object, order: int, result: str, cx: object) -> Outcome:
    return Done(result)

def settle_another(tx: object, job: object, order: int, result: bytes, cx: object) -> Outcome:
    return Done()

"""


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def complaint(work: str, folder: Path, cache: Path) -> str:
    """What mypy says of the line; empty: it passes.

    Only `Work` and the outcomes are followed, so that it takes seconds: what `Tx`, `Job` and `Context`
    are does not matter to how the steps fit.
    """
    config = folder / "mypy.ini"
    config.write_text(
        f"[mypy]\nmypy_path = {SOURCE}\nexplicit_package_bases = True\nfollow_imports = skip\n"
    )
    snippet = folder / "snippet.py"
    snippet.write_text(f"{STEPS}{work}\n")
    files = [str(snippet), str(perform.__file__), str(outcome.__file__)]
    told, broken, status = api.run(
        ["--config-file", str(config), "--cache-dir", str(cache), *files]
    )
    assert not broken
    assert status in (0, 1), told
    return "\n".join(re.findall(r"snippet\.py:\d+: error: (.*)", told))


@pytest.mark.parametrize(
    "work",
    ["Work(begin, do, settle)", "Work(begin, do)", "Work(begin, settle=lambda *_: Done())"],
)
def test_steps_that_fit_pass(work: str, tmp_path: Path, mypy_cache: Path) -> None:
    assert complaint(work, tmp_path, mypy_cache) == ""


@pytest.mark.parametrize(
    "work",
    [
        "Work(begin, do_another, settle)",
        "Work(begin, do, settle_another)",
        "Work(begin, do_another, settle_another)",
        "Work(begin, settle, do)",
    ],
)
def test_steps_that_do_not_fit_are_refused(work: str, tmp_path: Path, mypy_cache: Path) -> None:
    assert complaint(work, tmp_path, mypy_cache)
