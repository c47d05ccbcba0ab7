"""A run's log as the provider hands it on: the course in it, at a cost that goes with its length."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.mutants.changes import TEXTS, bytes_changed
from safelight.db.jsons import dumps
from safelight.domain.trainlog import Course, parse_log

SECONDS_A_MEGABYTE = 5.0
"""Of processor time; a whole log has a megabyte."""
LINES = (
    "loss is nan", "Loss Is NaN " * 30, "-  Found 15 images", "-  Found 999999999 images", "Using EMA",
    "2024-09-10T05:10:35Z | INFO  | [ Initiating ] chunk_size=150M", "100%|███| 5/5 [00:00<00:00, 9it/s]",
    "flux_train_replicate:", "flux_train_replicate: 0%|" + "█" * 3000, "flux_train_replicate:" + " " * 5000,
    "flux_train_replicate: 1%|a|b|c| 1/2 [00:01<00:01, 1it/s]", "}{" * 2000, "[" * 5000, "|" * 5000,
)  # fmt: skip
LOSSES = (
    "nan",
    "inf",
    "-inf",
    "1e999",
    "1e-999",
    "0",
    "-0",
    "x",
    "3.1e-01",
    "9" * 400,
    "0.3]",
    "1e-320",
)
RATES = ("?", "1.39", "0.00", "0", "9" * 300, "." * 50, "1.2.3", "0." + "0" * 320 + "1", "1e5")


def mutant(source: random.Random) -> bytes:
    """A log with bars, and whatever a program may print between them."""
    lines = []
    steps = source.choice((0, 1, 1000, 6000, 999_999_999))
    count = 0
    many = source.choice((3, 60, 60, 60, 400, 400, 2_000, source.choice((2_000, 2_000, 20_000))))
    broken = source.choice((0.1, 0.1, 0.1, 1.0))
    for _ in range(many):
        what = source.random()
        if what < 0.85:
            count = count + 1 if what < 0.8 else source.choice((0, count - 1, count + 50, 10**9))
            lines.append(_bar(count, steps, broken, source))
        elif what < 0.95:
            lines.append(source.choice(LINES))
        else:
            lines.append(source.choice(TEXTS))
    text = source.choice(("\n", "\r", "\r\n", "", "\x0b", "\u2028")).join(lines)
    data = text.encode("utf-8", "surrogatepass")
    return bytes_changed(data, source) if source.random() < 0.2 else data


def _bar(count: int, steps: int, broken: float, source: random.Random) -> str:
    loss = source.choice(LOSSES) if source.random() < broken else f"{source.random():.3e}"
    rate = source.choice(RATES) if source.random() < 0.1 else f"{source.random() * 3:.2f}"
    unit = source.choice(("it/s", "it/s", "s/it"))
    return (
        f"flux_train_replicate: {source.randrange(101):3d}%|████▎     | {count}/{steps} "
        f"[43:27<09:04,  {rate}{unit}, lr: 4.0e-04 loss: {loss}]"
    )


def read(path: Path) -> str:
    """As the watch does, to the row that is kept."""
    # Halves of surrogate pairs come as JSON's escapes; here they are bytes that are no UTF-8.
    course = parse_log(path.read_bytes().decode("utf-8", "surrogateescape"))
    kept = course.to_dict()
    dumps(kept).encode()
    assert Course.from_dict(kept) == course
    return "points" if course.points else "no points"
