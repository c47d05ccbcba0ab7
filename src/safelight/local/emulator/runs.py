"""Trainings and predictions: accepted, fetched, run, ended. One ticking thread moves them on; where
each stands is a function of when it was accepted, so a kill -9 costs nothing but time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from safelight.domain.errors import Invalid
from safelight.local.emulator import archive, drawing, looks
from safelight.local.emulator.course import PRICE_A_SECOND, Course
from safelight.local.emulator.retention import forget, token
from safelight.local.emulator.schemas import training_fault
from safelight.local.emulator.state import State, dumps
from safelight.local.emulator.webhooks import Webhooks

log = logging.getLogger(__name__)

MAX_ZIP_BYTES = 1024**3
PREDICTION_SECONDS = 9.0
"""Provider seconds for one image at 28 to 35 steps."""
TICK_SECONDS = 0.1
FORGET_SECONDS = 0.5


class Runs:
    """What is in flight, and what ended."""

    def __init__(
        self, state: State, folder: Path, time_scale: float, layers: str, webhooks: Webhooks
    ) -> None:
        self.state = state
        self.folder = folder
        self.time_scale = time_scale
        self.layers = layers
        self.webhooks = webhooks
        self.training_record_seconds: float | None = None
        """How long a training's record keeps its input; None: for ever."""
        self._work = ThreadPoolExecutor(2, thread_name_prefix="emulator")
        self._busy: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tick_for_ever, name="ticks", daemon=True)

    def start(self) -> None:
        """Take up what was in flight and tick."""
        self._thread.start()

    def stop(self) -> None:
        """End the threads; what is in flight goes on at the next start."""
        self._stop.set()
        self._work.shutdown(wait=False, cancel_futures=True)

    def shown(
        self, run: dict[str, Any], base: str, *, logs: bool = True, created: bool = False
    ) -> dict[str, Any]:
        """The run as the API shows it."""
        return looks.shown(run, base, self.time_scale, logs=logs, created=created)

    # Moving on.

    def _tick_for_ever(self) -> None:
        forgot = 0.0
        while not self._stop.wait(TICK_SECONDS):
            try:
                self._tick_due()
                if not self._busy and time.monotonic() - forgot > FORGET_SECONDS:
                    forgot = time.monotonic()
                    forget(self.state, self.folder, self.training_record_seconds)
            except Exception:
                log.exception("a tick failed")

    def _tick_due(self) -> None:
        """Move on what has reached its next moment."""
        now = time.time()
        due = self.state.rows(
            "SELECT * FROM runs WHERE ended IS NULL AND next_at <= ? ORDER BY next_at LIMIT 500",
            now,
        )
        for run in due:
            if run["cancel_at"] is not None:
                self.end(run, "canceled")
            elif run["id"] not in self._busy:
                self._tick_training(run) if run["kind"] == "training" else self._tick_drawing(run)

    def rescale(self, time_scale: float) -> None:
        """Time runs faster or slower from now on: every next moment is another."""
        self.time_scale = time_scale
        self.state.run("UPDATE runs SET next_at = 0 WHERE ended IS NULL")

    def _wait(self, run: dict[str, Any], seconds: float) -> None:
        """Look at it again *seconds* (of the provider's) after it was created."""
        self.state.run(
            "UPDATE runs SET next_at = ? WHERE id = ? AND ended IS NULL",
            *(run["created"] + seconds / self.time_scale, run["id"]),
        )

    def _tick_training(self, run: dict[str, Any]) -> None:
        input = json.loads(run["input"])
        fault = training_fault(input)
        if run["fate"] == "abort":
            self.end(run, "aborted", free=True)
            return
        if fault is not None:
            self.end({**run, "started": run["created"]}, "failed", error=fault, free=True)
            return
        course = Course(int(input.get("steps", 1000)))
        at = looks.elapsed(run, self.time_scale)
        if at >= course.started and run["started"] is None:
            self._begin(run, run["created"] + course.started / self.time_scale)
        if not run["ready"]:
            self._submit(run, self._take_in)
        elif at < course.started:
            self._wait(run, course.started)
        elif run["fate"] == "fail":
            self.end(
                self._again(run), "failed", error="CUDA out of memory. Tried to allocate 2.00 GiB"
            )
        elif at < course.ended:
            self._wait(run, course.ended)
        else:
            self._finish_training(self._again(run))

    def _begin(self, run: dict[str, Any], started: float) -> None:
        if self.state.run(
            "UPDATE runs SET started = ?, status = 'processing' WHERE id = ? AND ended IS NULL",
            *(started, run["id"]),
        ):
            self.webhooks.send(run["id"], "start")

    def _tick_drawing(self, run: dict[str, Any]) -> None:
        if run["fate"] == "abort":
            self.end(run, "aborted", free=True)
        elif run["drawn"] is None:
            self._submit(run, self._draw)
        elif run["fate"] == "fail":
            self.end(run, "failed", error="E8765 (emulated): the machine went away")
        else:
            output = json.loads(run["drawn"])
            self.end(run, "succeeded", output=output, predict=PREDICTION_SECONDS * len(output))

    def _submit(self, run: dict[str, Any], work: Any) -> None:
        self._busy.add(run["id"])

        def do() -> None:
            try:
                work(run)
            except archive.TrainerError as error:
                self.end(self._again(run), "failed", error=str(error))
            except Invalid as error:
                self.end(self._again(run), "failed", error=error.message)
            except Exception as error:
                log.exception("a run failed")
                self.end(self._again(run), "failed", error=f"{type(error).__name__}: {error}")
            finally:
                self._busy.discard(run["id"])

        self._work.submit(do)

    def _again(self, run: dict[str, Any]) -> dict[str, Any]:
        found = self.state.row("SELECT * FROM runs WHERE id = ?", run["id"])
        assert found is not None
        return found

    def _take_in(self, run: dict[str, Any]) -> None:
        """Download the zip, keep its photos, write the archive that will be its output."""
        input = json.loads(run["input"])
        url = input.get("input_images")
        if not url:
            raise archive.TrainerError("input_images must be provided")
        _, photos, captions = archive.unzip(_fetch(str(url)), self._photos(run["id"]))
        archive.write_tar(
            self.folder / "delivery" / token(run["id"]) / "trained_model.tar",
            input,
            captions,
            self.layers,
            run["id"],
        )
        self.state.run("UPDATE runs SET ready = 1, images = ? WHERE id = ?", len(photos), run["id"])

    def _finish_training(self, run: dict[str, Any]) -> None:
        version = hashlib.sha256(run["id"].encode()).hexdigest()
        self.state.run(
            "INSERT OR IGNORE INTO versions (id, model, run, created) VALUES (?, ?, ?, ?)",
            *(version, run["destination"], run["id"], time.time()),
        )
        output = {
            "version": f"{run['destination']}:{version}",
            "weights": f"{{base}}/delivery/xezq/{token(run['id'])}/trained_model.tar",
        }
        # Priced by its course: time the emulator itself was down is not the training's.
        course = Course(int(json.loads(run["input"]).get("steps", 1000)))
        self.end(run, "succeeded", output=output, predict=course.ended - course.started)

    def _photos(self, run_id: str) -> Path:
        return self.folder / "photos" / run_id

    def _draw(self, run: dict[str, Any]) -> None:
        input = json.loads(run["input"])
        self._begin(run, time.time())
        version = self.state.row("SELECT * FROM versions WHERE id = ?", run["version"])
        training = version and self.state.row("SELECT * FROM runs WHERE id = ?", version["run"])
        photos = sorted(self._photos(training["id"]).iterdir()) if training else []
        trigger = json.loads(training["input"]).get("trigger_word", "TOK") if training else ""
        folder = self.folder / "delivery" / token(run["id"])
        folder.mkdir(parents=True, exist_ok=True)
        format = input.get("output_format", "webp")
        names = [f"out-{n}.{format}" for n in range(int(input.get("num_outputs", 1)))]
        for number, name in enumerate(names):
            drawing.draw(folder / name, photos, trigger, input, number)
        output = [f"{{base}}/delivery/xezq/{token(run['id'])}/{name}" for name in names]
        self.state.run(
            "UPDATE runs SET drawn = ?, ready = 1, next_at = ? WHERE id = ? AND ended IS NULL",
            *(dumps(output), run["created"] + PREDICTION_SECONDS / self.time_scale, run["id"]),
        )

    def end(
        self,
        run: dict[str, Any],
        status: str,
        *,
        error: str | None = None,
        output: Any = None,
        predict: float | None = None,
        free: bool = False,
    ) -> None:
        """Write the run's end, its price, and tell whoever wants to know."""
        now = time.time()
        started = run["started"]
        ran = 0.0 if started is None or free else (now - started) * self.time_scale
        spent = ran if predict is None else predict
        changed = self.state.run(
            "UPDATE runs SET ended = ?, status = ?, error = ?, output = ?, predict_time = ?, "
            "price = ? WHERE id = ? AND ended IS NULL",
            *(now, status, error, dumps(output) if output is not None else None),
            *(spent, spent * PRICE_A_SECOND, run["id"]),
        )
        if changed:
            self.webhooks.send(run["id"], "completed")


def _fetch(url: str) -> bytes:
    """The input zip, as the trainer's own machine would get it."""
    if url.startswith("data:"):
        try:
            return base64.b64decode(url.partition(",")[2], validate=True)
        except binascii.Error:
            raise archive.TrainerError("input_images must be a zip file") from None
    if not url.startswith(("http://", "https://")):
        raise archive.TrainerError(f"input_images is not a URL: {url[:80]}")
    try:
        with urllib.request.urlopen(url, timeout=60) as reply:  # noqa: S310 (the scheme is checked)
            data: bytes = reply.read(MAX_ZIP_BYTES)
            return data
    except OSError as error:
        raise archive.TrainerError(f"Failed to download input_images: {error}") from None
