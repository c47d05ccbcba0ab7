"""JSON for jsonb columns and responses: ids as strings, times as ISO 8601."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID


def _plain(value: Any) -> Any:
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def dumps(value: Any) -> str:
    """*value* as JSON. Raises ValueError for NaN and infinities, which jsonb does not take."""
    return json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False)
