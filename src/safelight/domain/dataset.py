"""A dataset, written down: each photo, the file made of it, its caption. The same set, the same bytes."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ManifestPhoto:
    """One file of a dataset: the photo it came from, the part that was kept, and its caption.

    `derived`: a second file, cut out of a photo that has one already; counted apart (R-57).
    """

    photo_id: str
    name: str
    source_sha256: str
    file: str
    sha256: str
    width: int
    height: int
    caption: str
    crop: tuple[int, int, int, int] | None = None
    derived: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ManifestPhoto:
        """The photo `asdict` made."""
        crop = data.get("crop")
        return cls(**{**data, "crop": tuple(crop) if crop else None})


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a dataset is made of. `sha256` and `bytes` are those of its zip."""

    number: int
    profile: str
    trigger: str
    photos: tuple[ManifestPhoto, ...]
    sha256: str
    bytes: int
    dropped: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON takes it."""
        return {**asdict(self), "photos": [asdict(photo) for photo in self.photos]}

    def to_json(self) -> builtins.bytes:
        """The manifest as UTF-8 JSON: sorted keys, one form only, a line end at the end."""
        text = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, indent=1)
        return (text + "\n").encode("utf-8", "backslashreplace")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """The manifest `to_dict` made."""
        photos = tuple(ManifestPhoto.from_dict(photo) for photo in data["photos"])
        return cls(**{**data, "photos": photos})


def stem(position: int) -> str:
    """The name of the photo at *position* (from 0), without its ending: '001', '002', ...

    ASCII and of our own making: two photos of the same stem would share one caption.
    """
    return f"{position + 1:03d}"
