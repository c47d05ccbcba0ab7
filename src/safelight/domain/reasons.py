"""What stands behind a shipped profile's or preset's number, in words.

These files never change once they are shipped (their hash is on record with every training), and some cite
the project's requirements by number. Nobody but us can look those up: what `reasons.toml` says is shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def words() -> Mapping[str, str]:
    """What is cited → what is shown."""
    found: dict[str, str] = tomllib.loads(
        files("safelight").joinpath("reasons.toml").read_text("utf-8")
    )
    return found


def in_words(value: Any) -> Any:
    """*value*, what TOML gives, with every text that cites a requirement as it is shown."""
    match value:
        case str():
            return words().get(value, value)
        case dict():
            return {key: in_words(item) for key, item in value.items()}
        case list():
            return [in_words(item) for item in value]
    return value
