"""One stream of what all services say, with their names, and a file for each."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from safelight.domain.texts import shown

COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""SGR codes, given out in the order of the services."""

ROTATE_BYTES = 5_000_000
"""A log file of this size becomes `<name>.log.1`, and the one before that goes."""


class Log:
    """Takes lines from any thread. Its files are `<folder>/<name>.log`."""

    def __init__(
        self,
        folder: Path,
        names: Iterable[str],
        *,
        stream: TextIO | None,
        color: bool = False,
        quiet: Iterable[str] = (),
        rotate_bytes: int = ROTATE_BYTES,
    ) -> None:
        """`stream` None shows nothing; lines of those in `quiet` go to their files only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._stream = stream
        self._color = color
        self._quiet = frozenset(quiet)
        self._rotate_bytes = rotate_bytes
        self._names = list(names)
        self._width = max((len(name) for name in self._names), default=0)
        self._files: dict[str, TextIO] = {}
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """One line that the service `name` said; what a terminal would obey in it is written out."""
        text = shown(text.expandtabs())
        with self._lock:
            self._keep(name, text)
            if name not in self._quiet:
                self._show(name, text)

    def say(self, name: str, text: str) -> None:
        """One line about the service `name`, by the supervisor; shown also for quiet ones."""
        with self._lock:
            self._keep(name, f"-- {text}")
            self._show(name, text, faint=True)

    def close(self) -> None:
        """Close the files; a line that comes later opens its own again."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _keep(self, name: str, text: str) -> None:
        path = self._folder / f"{name}.log"
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = path.open("a", encoding="utf-8", errors="replace")
        file.write(f"{text}\n")
        file.flush()
        if file.tell() > self._rotate_bytes:
            file.close()
            del self._files[name]
            path.replace(path.with_suffix(".log.1"))

    def _show(self, name: str, text: str, *, faint: bool = False) -> None:
        if self._stream is None:
            return
        label = f"{name:<{self._width}} |"
        if self._color:
            number = self._names.index(name) if name in self._names else 0
            label = f"\x1b[{COLORS[number % len(COLORS)]}m{label}\x1b[0m"
            text = f"\x1b[2m{text}\x1b[0m" if faint else text
        try:
            self._stream.write(f"{label} {text}\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None  # the terminal is gone or closed; the files go on
