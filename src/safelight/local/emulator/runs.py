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
from safelight.local.emulator import archive, drawing
from safelight.local.emulator.course import PRICE_A_SECOND, Course, log_at, log_end
from safelight.local.emulator.retention import OUTPUT_SECONDS, forget, token
from safelight.local.emulator.schemas import training_fault
from safelight.local.emulator.state import State, dumps, stamp
from safelight.local.emulator.webhooks import Webhooks

log = logging.getLogger(__name__)

MAX_ZIP_BYTES = 1024**3
PREDICTION_SECONDS = 9.0
"""Provider seconds for one image at 28 to 35 steps."""
TICK_SECONDS = 0.1


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

    # Where a run stands.

    def elapsed(self, run: dict[str, Any]) -> float:
        """Provider seconds since it was created."""
        return float((time.time() - run["created"]) * self.time_scale)

    def shown(self, run: dict[str, Any], base: str, *, logs: bool = True) -> dict[str, Any]:
        """The run as the API shows it; keys are absent before they are known."""
        kind = "trainings" if run["kind"] == "training" else "predictions"
        removed = self._removed(run)
        body: dict[str, Any] = {
            "id": run["id"],
            "model": run["model"],
            "version": run["version"],
            "input": {} if removed else json.loads(run["input"]),
            "output": json.loads(run["output"]) if run["output"] and not removed else None,
            "data_removed": removed,
            "error": run["error"],
            "source": "api",
            "status": run["status"],
            "created_at": stamp(run["created"], 3),
            "urls": {
                "get": f"{base}/v1/{kind}/{run['id']}",
                "cancel": f"{base}/v1/{kind}/{run['id']}/cancel",
            },
        }
        if body["output"] is not None:
            body["output"] = _with_base(body["output"], base)
        if logs:
            body["logs"] = "" if removed else self._logs(run)
        if run["started"] is not None:
            body["started_at"] = stamp(run["started"], 9)
        if run["ended"] is not None:
            body["completed_at"] = stamp(run["ended"], 9)
            body["metrics"] = {
                "predict_time": run["predict_time"] or 0.0,
                "total_time": (run["ended"] - run["created"]) * self.time_scale,
            }
        return body

    def _removed(self, run: dict[str, Any]) -> bool:
        ended = run["ended"]
        if run["forgotten"] > 1:
            return True
        return bool(run["kind"] == "prediction" and ended and time.time() - ended > OUTPUT_SECONDS)

    def _logs(self, run: dict[str, Any]) -> str:
        input = json.loads(run["input"])
        if run["kind"] == "prediction":
            if run["status"] == "starting":
                return ""
            return (
                f"Using seed: {input.get('seed')}\nPrompt: {input.get('prompt')}\n[!] txt2img mode"
            )
        if run["started"] is None or not run["ready"]:
            return ""
        course = Course(int(input.get("steps", 1000)))
        at = (
            (run["ended"] - run["created"]) * self.time_scale if run["ended"] else self.elapsed(run)
        )
        done = course.step_at(at)
        text = log_at(run["id"], input, run["images"] * 2, run["images"], done)
        return f"{text}\n{log_end()}" if run["status"] == "succeeded" else text

    # Moving on.

    def _tick_for_ever(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            try:
                for run in self.state.rows("SELECT * FROM runs WHERE ended IS NULL"):
                    self._tick(run)
                if not self._busy:
                    forget(self.state, self.folder, self.training_record_seconds)
            except Exception:
                log.exception("a tick failed")

    def _tick(self, run: dict[str, Any]) -> None:
        if run["cancel_at"] is not None:
            self.end(run, "canceled")
        elif run["kind"] == "training":
            self._tick_training(run)
        elif run["id"] not in self._busy:
            self._submit(run, self._draw)

    def _tick_training(self, run: dict[str, Any]) -> None:
        input = json.loads(run["input"])
        fault = training_fault(input)
        if fault is not None:
            self.state.run("UPDATE runs SET started = created WHERE id = ?", run["id"])
            self.end({**run, "started": run["created"]}, "failed", error=fault, free=True)
            return
        course = Course(int(input.get("steps", 1000)))
        at = self.elapsed(run)
        if at >= course.started and run["started"] is None:
            started = run["created"] + course.started / self.time_scale
            self.state.run(
                "UPDATE runs SET started = ?, status = 'processing' WHERE id = ?",
                started,
                run["id"],
            )
            self.webhooks.send(run["id"], "start")
        if not run["ready"] and run["id"] not in self._busy:
            self._submit(run, self._take_in)
        elif run["ready"] and run["started"] is not None and at >= course.ended:
            self._finish_training(run)

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
        now = time.time()
        self.state.run(
            "UPDATE runs SET started = ?, status = 'processing', ready = 1 WHERE id = ?",
            *(now, run["id"]),
        )
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
        left = PREDICTION_SECONDS / self.time_scale - (time.time() - now)
        if left > 0:
            time.sleep(left)
        output = [f"{{base}}/delivery/xezq/{token(run['id'])}/{name}" for name in names]
        self.end(
            self._again(run), "succeeded", output=output, predict=PREDICTION_SECONDS * len(names)
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


def _with_base(output: Any, base: str) -> Any:
    if isinstance(output, dict):
        return {key: _with_base(value, base) for key, value in output.items()}
    if isinstance(output, list):
        return [_with_base(value, base) for value in output]
    return output.replace("{base}", base) if isinstance(output, str) else output


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
