"""Several guarded eyes at once: a folder of photos on every core, in the folder's order."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from types import TracebackType

from safelight.config import cores, models_folder
from safelight.domain.crops import Crop
from safelight.domain.photos import Derived, Inspection, PhotoFacts, judge_decoding
from safelight.vision.guard import GuardedEye


class EyePool:
    """*workers* eyes (default: one a core), each with a process of its own, made when first needed.

    A photo that kills its process costs that photo, as with one eye; the others do not wait for it.
    May be called from several threads.
    """

    def __init__(self, workers: int | None = None, *, models: Path | None = None) -> None:
        self.workers = workers or cores()
        models = models_folder() if models is None else models
        self._eyes = [GuardedEye(models=models) for _ in range(self.workers)]
        self._free: queue.LifoQueue[GuardedEye] = queue.LifoQueue()
        for eye in reversed(self._eyes):
            self._free.put(eye)

    def inspect(self, path: Path, name: str) -> Inspection:
        """As `GuardedEye.inspect`, by whichever eye is free."""
        eye = self._free.get()
        try:
            return eye.inspect(path, name)
        finally:
            self._free.put(eye)

    def derive(self, path: Path, target: Path, max_side: int, crop: Crop | None = None) -> Derived:
        """As `GuardedEye.derive`, by whichever eye is free."""
        eye = self._free.get()
        try:
            return eye.derive(path, target, max_side, crop)
        finally:
            self._free.put(eye)

    def location(self, path: Path, *, remove: bool) -> dict[str, int]:
        """As `GuardedEye.location`."""
        return self._eyes[0].location(path, remove=remove)

    def models(self) -> frozenset[str] | None:
        """As `GuardedEye.models`."""
        return self._eyes[0].models()

    def inspect_all(self, photos: Iterable[tuple[Path, str]]) -> Iterator[Inspection]:
        """Each photo's inspection, in the order in which the photos are told; (path, name) each.

        A file that cannot be read is a finding on it, and the others go on. Only a few are under way at a
        time, however many there are.
        """
        waiting = iter(photos)
        with ThreadPoolExecutor(self.workers, "eye") as threads:
            running: list[Future[Inspection]] = []
            try:
                for path, name in islice(waiting, 2 * self.workers):
                    running.append(threads.submit(self._inspect, path, name))
                while running:
                    done = running.pop(0).result()
                    for path, name in islice(waiting, 1):
                        running.append(threads.submit(self._inspect, path, name))
                    yield done
            finally:
                for future in running:
                    future.cancel()

    def _inspect(self, path: Path, name: str) -> Inspection:
        try:
            return self.inspect(path, name)
        except OSError as error:
            why = error.strerror or str(error)
            facts = PhotoFacts(0, decodable=False, fault="unreadable", fault_detail=why)
            return Inspection(facts, judge_decoding(facts, name=name))

    def pids(self) -> list[int]:
        """The process ids of the eyes that are up."""
        return [pid for eye in self._eyes if (pid := eye.pid) is not None]

    def close(self) -> None:
        """End the processes."""
        for eye in self._eyes:
            eye.close()

    def __enter__(self) -> EyePool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
