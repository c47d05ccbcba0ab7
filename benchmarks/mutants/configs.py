"""config.yaml of the trainer, broken or hostile: it is read, or said not to be; the weights are kept."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import yaml

from benchmarks.mutants.changes import bytes_changed, value_changed
from safelight.db.jsons import dumps
from safelight.domain.differences import columns, different
from safelight.local.emulator.archive import _config
from safelight.stages import trainer_config
from safelight.stages.weights import expected_modules

WHOLE: dict[str, Any] = _config(
    {"lora_rank": 4, "trigger_word": "TOK", "learning_rate": 4e-4},
    ("single_transformer_blocks.7.proj_out",),
)
SNIPPETS = (
    "&a", "*a", "<<: *a", "!!binary aGk=", "!!python/object/apply:os.system ['x']", "!!set {a, b}",
    "!!float 'x'", "!x y", "? [a, b]", "? ", "- " * 200, "[" * 60, "{a: " * 60, "[" * 20_000, "2026-01-01",
    "2026-99-99 99:99:99", ".nan", "-.inf", "9" * 5000, "1" + ":59" * 3000, "0b" + "1" * 3000, "|\n  a\n",
    ">-\n  a\n", "'", '"', '"\\ud800"', '"\\0"', '"\\x1b[31m"', "#" * 5000, "---\n", "...\n", "%YAML 9.9\n",
    "%TAG ! tag:x,2000:\n", "\t", "\x00", "\x85", "\u2028", "x: " * 500, "- &a [*a]", "{}" * 3000, "@", "`",
)  # fmt: skip
INPUTS = {"lora_rank": 4, "steps": 1000, "learning_rate": 4e-4, "resolution": "512"}


def mutant(source: random.Random) -> bytes:
    """A config that was whole."""
    found = copy.deepcopy(WHOLE)
    for _ in range(source.choice((0, 1, 1, 3))):
        found = value_changed(found, source)
    try:
        text = yaml.safe_dump(found, default_flow_style=source.choice((None, True, False)))
    except (yaml.YAMLError, RecursionError):
        text = yaml.safe_dump(WHOLE)
    for _ in range(source.choice((0, 0, 1, 2))):
        place = source.randrange(len(text) + 1)
        text = text[:place] + source.choice(SNIPPETS) + text[place:]
    data = text.encode(source.choice(("utf-8", "utf-8", "utf-8", "utf-16")), "surrogatepass")
    return bytes_changed(data, source) if source.random() < 0.3 else data


def read(path: Path) -> str:
    """As the archive's reader does, and what follows from it when the job is settled."""
    found = trainer_config.read(path.read_bytes())
    if found.process is None:
        assert found.fault
        assert found.fault.isprintable()
        return "said not to be"
    dumps(found.process).encode()
    asked = {"parameters": dict(INPUTS), "images": 5}
    different(columns(asked, dict(INPUTS), found.process, images=4))
    assert expected_modules(found.process)
    return "read"
