"""Decoding in a process of its own, which may crash, hang or eat memory without the job noticing more
than a finding on the photo.

A plain subprocess and not `multiprocessing`: Celery's pool processes are daemonic and may have no
children of that kind. It is started at the first call, so it is never carried over a fork.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from safelight.config import for_strangers
from safelight.domain.crops import Crop
from safelight.domain.errors import Unfinished
from safelight.domain.photos import (
    DECODER,
    Derived,
    Inspection,
    PhotoFacts,
    Undecodable,
    judge_decoding,
)
from safelight.vision.hashing import sha256_file
from safelight.vision.location.removal import count_location, remove_location
from safelight.vision.models import present

SECONDS = 20.0
"""For one photo, half of it on the processor. The slowest honest one (100 MP, PNG) takes 3 s of that."""
START_SECONDS = 60.0
"""For the child to come up: half a second, and more where every core is busy."""
MEMORY = 480 * 1024**2
"""Bytes that the networks and a photo may take on top of the child's own 90 MB: under 600 MB in all."""

_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_ARENA_MAX": "1",
}
"""glibc's allocator gives large blocks back at once, instead of learning to keep them: a large photo
must not leave its size behind. What it keeps of the rest saves a tenth of the time."""


class GuardedEye:
    """`inspect` and `derive` of the vision package, each call guarded.

    A call that outlasts *seconds* is killed and the photo blamed. A child that dies in a call is
    replaced and the call made once more: one death may have been somebody's ``kill``, two are the
    photo's doing. With *models*, the folder of the eye's models, photos are looked at as well as
    decoded. Calls from several threads wait for each other. `Unfinished` if no child comes up.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        start_seconds: float = START_SECONDS,
        memory: int = MEMORY,
        models: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._seconds = seconds
        self._start_seconds = start_seconds
        self._models = models
        own: tuple[str, ...] = (
            sys.executable,
            "-m",
            "safelight.vision.child",
            str(seconds),
            str(memory),
        )
        own += () if models is None else (str(models),)
        self._command = tuple(command or own)
        self._child: _Child | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id, or None while none runs."""
        child = self._child
        return None if child is None else child.process.pid

    def inspect(self, path: Path, name: str) -> Inspection:
        """The facts of the photo at *path*; a photo that kills or hangs the child is an `overrun`."""
        try:
            facts = PhotoFacts.from_dict(self._call("inspect", path)["facts"])
        except Undecodable as fault:
            digest, size = sha256_file(path) if path.is_file() else (None, 0)
            facts = PhotoFacts(
                bytes=size,
                sha256=digest,
                format=fault.format,
                decodable=False,
                fault=fault.kind,
                fault_detail=fault.detail,
                decoder=DECODER,
            )
        return Inspection(facts, judge_decoding(facts, name=name))

    def location(self, path: Path, *, remove: bool) -> dict[str, int]:
        """How many properties of the file say where it was taken, by where; with *remove* they are taken
        out of it. Bytes are read here and nothing is decoded, so it needs no process of its own."""
        return remove_location(path) if remove else count_location(path)

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        """Write the training JPEG of the photo at *path* to *target*; `Undecodable` if it cannot."""
        cut = None if crop is None else asdict(crop)
        answer = self._call("derive", path, target=str(target), max_side=max_side, crop=cut)
        return Derived(**answer["derived"])

    def models(self) -> frozenset[str] | None:
        """The models that are on this machine now; None: this eye decodes and does not look."""
        return None if self._models is None else present(self._models)

    def close(self) -> None:
        """End the child; the next call starts another."""
        with self._lock:
            self._drop()

    def __enter__(self) -> GuardedEye:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, call: str, path: Path, **more: Any) -> dict[str, Any]:
        request = {"call": call, "path": str(path), **more}
        with self._lock:
            deaths = 0
            while True:
                child = self._running()
                try:
                    answer = child.ask(request, self._seconds)
                except TimeoutError as error:
                    self._drop()
                    detail = f"no answer from the decoder within {self._seconds:g} s"
                    raise Undecodable("overrun", detail) from error
                except EOFError as error:
                    why = child.ending()
                    self._drop()
                    deaths += 1
                    if why.endswith("(SIGPROF)"):
                        detail = f"it kept the decoder busy for {self._seconds / 2:g} s"
                        raise Undecodable("overrun", detail) from error
                    if deaths == 2:
                        detail = f"the decoder died of it twice: {why}"
                        raise Undecodable("overrun", detail) from error
                except BaseException:
                    # Cancelled in the middle of an answer: the next call would read this one's.
                    self._drop()
                    raise
                else:
                    if "anew" not in answer:
                        return _checked(answer)
                    self._drop()  # it wants the memory that only a new process has

    def _running(self) -> _Child:
        child = self._child
        if child is not None and child.owner != os.getpid():
            child.forget()  # we are a fork: the child is our parent's
            child = self._child = None
        if child is not None and child.process.poll() is not None:
            self._drop()
            child = None
        if child is None:
            child = self._child = _Child(self._command)
            try:
                child.read(self._start_seconds)
            except (TimeoutError, EOFError) as error:
                why = child.ending()
                self._drop()
                raise Unfinished(f"The photo decoder did not start: {why}.") from error
        return child

    def _drop(self) -> None:
        if self._child is not None:
            if self._child.owner == os.getpid():
                self._child.end()
            else:
                self._child.forget()
            self._child = None


def _checked(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise OSError(*answer["error"])
    if "fault" in answer:
        fault = dict(answer["fault"])
        size = fault.pop("size", (0, 0))
        raise Undecodable(fault.pop("kind"), fault.pop("detail"), size=tuple(size), **fault)
    return answer


class _Child:
    """One decoding process and the pipes to it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.owner = os.getpid()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env={**for_strangers(), **_ALLOCATOR},
        )
        self._buffer = b""

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send one request and read its answer: `TimeoutError`, or `EOFError` if the child is gone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
        except OSError as error:
            raise EOFError from error
        return self.read(seconds)

    def read(self, seconds: float) -> dict[str, Any]:
        """The next answer: `TimeoutError`, or `EOFError` if the child is gone."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                chunk = self.process.stdout.read(65_536)
                if not chunk:
                    raise EOFError
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ending(self) -> str:
        """How the child ended, and the last line it wrote to standard error."""
        try:
            code = self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it does not answer"
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"signal {-code} ({signal.Signals(-code).name})"
        self._errors.seek(0)
        lines = self._errors.read()[-2_000:].decode("utf-8", "replace").strip().splitlines()
        return f"exit {code}" + (f", {lines[-1]}" if lines else "")

    def end(self) -> None:
        """Kill and reap it: it holds nothing that would be lost."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._close()

    def forget(self) -> None:
        """Let go of a child that belongs to the process we were forked from."""
        self.process.returncode = 0  # not ours to wait for, and no warning that it still runs
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
