"""The real eye, which looks at a file once a run: a hundred tests train on the same few drawn photos."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safelight.domain.crops import Crop
from safelight.domain.photos import Derived, Inspection
from safelight.stages.tools import Eye
from safelight.vision.hashing import sha256_file


class RememberingEye:
    """An eye that answers as *eye* did, where it is asked the same of the same bytes again.

    Only what could be read is remembered. A test that is about the eye itself takes the real one.
    """

    def __init__(self, eye: Eye) -> None:
        self._eye = eye
        self._inspected: dict[tuple[Any, ...], Inspection] = {}
        self._derived: dict[tuple[Any, ...], tuple[Derived, Path]] = {}
        self._folder = TemporaryDirectory(prefix="safelight-tests-eye-")

    def models(self) -> frozenset[str] | None:
        return self._eye.models()

    def inspect(self, path: Path, name: str) -> Inspection:
        key = (_content(path), name, self.models())
        if key in self._inspected:
            return self._inspected[key]
        found = self._eye.inspect(path, name)
        if found.facts.decodable:
            self._inspected[key] = found
        return found

    def location(self, path: Path, *, remove: bool) -> Mapping[str, int]:
        return self._eye.location(path, remove=remove)

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        key = (_content(path), max_side, crop)
        if key not in self._derived:
            kept = Path(self._folder.name) / f"{len(self._derived)}.jpg"
            derived = self._eye.derive(path, target, max_side, crop)
            shutil.copyfile(target, kept)
            self._derived[key] = derived, kept
        else:
            shutil.copyfile(self._derived[key][1], target)
        return self._derived[key][0]

    def close(self) -> None:
        self._folder.cleanup()
        self._eye.close()


def _content(path: Path) -> str | None:
    return sha256_file(path)[0] if path.is_file() else None
