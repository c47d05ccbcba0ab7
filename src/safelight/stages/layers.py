"""A caller's `layers_to_optimize_regex`, tried in a process of its own before anything rests on it.

An expression of thirty characters can keep `re` busy for years, and it holds the whole process while it
does. So none is compiled or searched with here: a child does it, with a second of processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from safelight.domain.errors import Invalid, Unavailable
from safelight.domain.trainer_inputs import check_regex, modules

NAME = "layers_to_optimize_regex"
CHILD = Path(__file__).with_name("layers_child.py")
WALL_SECONDS = 20.0
"""Its second of processor may take its time where every core is busy."""
AT_ONCE = 2
WAIT_SECONDS = 10.0
"""So many children at once a process: who sends a hundred hostile expressions waits for himself."""

_turns = threading.BoundedSemaphore(AT_ONCE)


def check(inputs: Mapping[str, Any]) -> None:
    """Raise Invalid unless the expression in *inputs*, if there is one, is found in some layer.

    Call it with no transaction open: it may take seconds. What was found once is remembered.

    Raises:
        Invalid: too long, does not compile, takes too long, or matches nothing.
        Unavailable: others are being tried at the moment.
    """
    regex = inputs.get(NAME)
    if isinstance(regex, str) and regex:
        matching(regex)


def matching(regex: str | None) -> tuple[str, ...]:
    """The layers that are trained under *regex* (``re.search``, as the trainer does); None or empty: all.

    Raises:
        Invalid, Unavailable: as `check`.
    """
    if not regex:
        return tuple(modules())
    check_regex(regex)
    return _matching(regex)


@lru_cache(maxsize=256)
def _matching(regex: str) -> tuple[str, ...]:
    told = _tried(regex)
    if error := told.get("error"):
        raise Invalid(f"{NAME} {regex!r} does not compile: {error}.")
    if not told["found"]:
        raise Invalid(
            f"{NAME} {regex!r} matches none of the {len(modules())} layers.",
            hint="A layer's name looks like 'transformer.single_transformer_blocks.7.proj_out'.",
        )
    return tuple(told["found"])


def _tried(regex: str) -> dict[str, Any]:
    request = json.dumps({"regex": regex, "names": list(modules())})
    if not _turns.acquire(timeout=WAIT_SECONDS):
        raise Unavailable(
            "Other regular expressions are being tried at the moment.", after=WAIT_SECONDS
        )
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(CHILD)],
            input=request,
            capture_output=True,
            text=True,
            timeout=WALL_SECONDS,
            check=False,
            env={},
        )
        told: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # it ran into its limit, and said nothing
        raise Invalid(
            f"{NAME} {regex!r} takes over a second to look through {len(modules())} names.",
            hint="Repetition within repetition, as in '(a+)+', costs without bound; say it without.",
        ) from None
    finally:
        _turns.release()
    return told
