"""What the doctor says of one thing, and how long it looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from safelight.domain.errors import Retryable, SafelightError
from safelight.domain.masking import mask
from safelight.domain.texts import shown

Verdict = Literal["ok", "warn", "fail"]

SECONDS = 9.0
"""For which the doctor looks at one foreign system; all of them at once."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    seen: str
    remedy: str = ""


Look = Callable[[], Iterator[Check]]


def failed(what: str, error: Exception) -> Check:
    """What an error says of *what*: its own words and way out, and no guess."""
    if isinstance(error, SafelightError):
        remedy = error.hint or ("Is it up, and reached from here?" if _away(error) else "")
        return Check(what, "fail", error.message, remedy)
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return Check(what, "fail", shown(mask(said), most=500))


def _away(error: SafelightError) -> bool:
    return isinstance(error, Retryable)


def all_at_once(looks: Sequence[tuple[str, Look]], seconds: float = SECONDS) -> list[Check]:
    """What each of *looks* finds, in their order, within *seconds* in all.

    One that hangs is left behind, with what it had found by then.
    """
    found: list[list[Check]] = [[] for _ in looks]
    threads = [
        threading.Thread(target=_look, args=(what, look, found[at]), daemon=True)
        for at, (what, look) in enumerate(looks)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    checks: list[Check] = []
    for (what, _), thread, some in zip(looks, threads, found, strict=True):
        thread.join(max(0.0, deadline - time.monotonic()))
        checks += some
        if thread.is_alive():
            said = f"no answer within {seconds:g} s"
            checks.append(Check(what, "fail", said, "Is it up, and reached from here?"))
    return checks


def _look(what: str, look: Look, found: list[Check]) -> None:
    try:
        for check in look():
            found.append(check)  # noqa: PERF402 (what was found before it fails is told)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is what the doctor has to tell)
        found.append(failed(what, error))
