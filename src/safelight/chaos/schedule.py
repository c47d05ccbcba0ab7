"""What strikes when: drawn from a seed, so that a run can be replayed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from safelight.domain.queues import Queue

PAUSE_SECONDS = (1.5, 6.0)
"""Between the end of one fault and the start of the next."""

POINTS = ("after_claim", "before_commit", "after_commit", "before_hint", "before_post", "after_post",
          "exit_in_commit")  # fmt: skip
"""Named places at which a worker may be killed (`exit_in_commit`: it leaves with SystemExit, as a signal
inside COMMIT makes it)."""

LINKS = ("database", "broker", "store", "provider")


@dataclass(frozen=True)
class Fault:
    """One fault: its name, what it strikes, and for how many seconds it lasts (0: at once)."""

    name: str
    target: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Strike:
    """A fault at its time, in seconds after the start."""

    at: float
    fault: Fault


QUEUES = tuple(str(queue) for queue in Queue)

MATRIX: tuple[tuple[int, str, tuple[str, ...], tuple[float, float]], ...] = (
    (6, "kill worker", QUEUES, (0, 0)),
    (8, "kill at point", tuple(f"{q} {p}" for q in QUEUES for p in POINTS
                               if "post" not in p or q in ("submit", "generate")), (0, 0)),
    (2, "kill pool child", ("preprocess",), (0, 0)),
    (3, "stop past lease", QUEUES, (8, 10)),
    (2, "rolling deploy", ("",), (0, 0)),
    (2, "clock killed", ("clock",), (0, 0)),
    (2, "clock stopped", ("clock",), (5, 12)),
    (1, "two clocks", ("",), (5, 12)),
    (2, "API killed", ("api",), (0, 0)),
    (3, "broker flushed", ("",), (0, 0)),
    (2, "broker restarted empty", ("",), (0, 0)),
    (2, "broker full", ("",), (4, 8)),
    (2, "messages dropped", ("",), (0, 0)),
    (2, "messages doubled", ("",), (0, 0)),
    (2, "garbage messages", ("",), (0, 0)),
    (2, "database restarted", ("",), (0, 0)),
    (1, "database crashed", ("",), (0, 0)),
    (3, "backends terminated", ("",), (0, 0)),
    (4, "link down", LINKS, (3, 10)),
    (4, "link half-open", LINKS, (0, 0)),
    (3, "link slow", LINKS, (4, 10)),
    (4, "link reset", LINKS, (0, 0)),
    (4, "answers cut", LINKS, (2, 6)),
    (8, "provider faults", ("create", "read", "webhook", "run", "delivery", "credit"), (6, 15)),
    (2, "list delayed", ("",), (0, 0)),
)  # fmt: skip
"""(weight, name, what it may strike, seconds it lasts) of every fault."""


LONG_RUN_SECONDS = 300.0
"""A run of this length or longer has the broker down for minutes, once."""
OUTAGE_SECONDS = (60.0, 120.0)
OUTAGE_AT = 0.3
"""The outage's place in the run, as a share of it."""


def draw(seed: int, seconds: float, *, only: Iterable[str] = ()) -> list[Strike]:
    """The strikes of a run of *seconds*, the same for the same seed; *only*: these, as 'name' or
    'name: target'."""
    chance = random.Random(seed)  # noqa: S311 (replayable, not secret)
    wanted = {name: target for name, _, target in (one.partition(": ") for one in only)}
    kinds = [
        (weight, name, (wanted[name],) if wanted.get(name) else targets, lasts)
        for weight, name, targets, lasts in MATRIX
        if not wanted or name in wanted
    ]
    # Every kind once in a row drawn anew each time, so that a short run meets many of them, each as
    # often as it weighs.
    strikes: list[Strike] = []
    at = chance.uniform(*PAUSE_SECONDS)
    bag: list[tuple[int, str, tuple[str, ...], tuple[float, float]]] = []
    outage = seconds >= LONG_RUN_SECONDS and not wanted
    while at < seconds:
        if outage and at > OUTAGE_AT * seconds:
            outage = False
            away = Fault("link down", "broker", round(chance.uniform(*OUTAGE_SECONDS), 1))
            strikes.append(Strike(round(at, 1), away))
            at += away.seconds + chance.uniform(*PAUSE_SECONDS)
            continue
        if not bag:
            bag = [kind for kind in kinds for _ in range(kind[0])]
            chance.shuffle(bag)
        _, name, targets, (least, most) = bag.pop()
        fault = Fault(name, chance.choice(targets), round(chance.uniform(least, most), 1))
        strikes.append(Strike(round(at, 1), fault))
        at += fault.seconds + chance.uniform(*PAUSE_SECONDS)
    return strikes
