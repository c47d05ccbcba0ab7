"""How a run looks from outside: a function of what is on record and of the time."""

from __future__ import annotations

import json
import time
from typing import Any

from safelight.local.emulator.course import Course, log_at, log_end
from safelight.local.emulator.retention import OUTPUT_SECONDS
from safelight.local.emulator.state import stamp


def elapsed(run: dict[str, Any], time_scale: float) -> float:
    """Provider seconds since it was created."""
    return float((time.time() - run["created"]) * time_scale)


def shown(
    run: dict[str, Any], base: str, time_scale: float, *, logs: bool = True, created: bool = False
) -> dict[str, Any]:
    """The run as the API shows it; keys are absent before they are known.

    *created*: as the reply to the request that made it, whose links are a prediction's for both kinds.
    """
    kind = "trainings" if run["kind"] == "training" and not created else "predictions"
    removed = data_removed(run)
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
            "web": f"{base}/p/{run['id']}",
        },
    }
    if body["output"] is not None:
        body["output"] = _with_base(body["output"], base)
    if logs:
        body["logs"] = "" if removed else _logs(run, time_scale)
    if run["started"] is not None:
        body["started_at"] = stamp(run["started"], 9)
    if run["ended"] is not None:
        body["completed_at"] = stamp(run["ended"], 9)
        body["metrics"] = {
            "predict_time": run["predict_time"] or 0.0,
            "total_time": (run["ended"] - run["created"]) * time_scale,
        }
    return body


def data_removed(run: dict[str, Any]) -> bool:
    """Whether input, output and logs are gone: a prediction's an hour after it ended, and what was
    forgotten earlier."""
    ended = run["ended"]
    if run["forgotten"] > 1:
        return True
    return bool(run["kind"] == "prediction" and ended and time.time() - ended > OUTPUT_SECONDS)


def _logs(run: dict[str, Any], time_scale: float) -> str:
    input = json.loads(run["input"])
    if run["kind"] == "prediction":
        if run["status"] == "starting":
            return ""
        return f"Using seed: {input.get('seed')}\nPrompt: {input.get('prompt')}\n[!] txt2img mode"
    if run["started"] is None or not run["ready"]:
        return ""
    course = Course(int(input.get("steps", 1000)))
    ended = run["ended"]
    at = (ended - run["created"]) * time_scale if ended else elapsed(run, time_scale)
    text = log_at(run["id"], input, run["images"] * 2, run["images"], course.step_at(at))
    return f"{text}\n{log_end()}" if run["status"] == "succeeded" else text


def _with_base(output: Any, base: str) -> Any:
    if isinstance(output, dict):
        return {key: _with_base(value, base) for key, value in output.items()}
    if isinstance(output, list):
        return [_with_base(value, base) for value in output]
    return output.replace("{base}", base) if isinstance(output, str) else output
