"""The course of a training as a function of time: status, step, loss, log. Nothing is simulated in
the background, so a restart loses nothing and a clock that runs faster changes nothing else."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

QUEUED_SECONDS = 20.0
SETUP_SECONDS = 110.0
SECONDS_A_STEP = 0.8
"""Provider seconds. A 1,000-step run of three resolutions took 1,675 s for 1,500 steps in a real
capture, about 1.1 s a step with everything; newer hardware is faster."""
PRICE_A_SECOND = 0.001525


DIVERGES_AT_RATE = 0.05
DIVERGES_AT_STEP = 60
"""A learning rate a hundred times the usual ends in NaN: from this step on, and in the weights."""


def diverges(input: dict[str, Any]) -> bool:
    """Whether the run's loss will be no number."""
    return float(input.get("learning_rate", 4e-4)) >= DIVERGES_AT_RATE


@dataclass(frozen=True, slots=True)
class Course:
    """When a training starts and ends, in provider seconds after it was created."""

    steps: int

    @property
    def started(self) -> float:
        """When it leaves the queue."""
        return QUEUED_SECONDS

    @property
    def ended(self) -> float:
        """When the archive is up."""
        return QUEUED_SECONDS + SETUP_SECONDS + self.steps * SECONDS_A_STEP + 15.0

    def step_at(self, seconds: float) -> int:
        """How many steps are done *seconds* after it was created."""
        training = seconds - QUEUED_SECONDS - SETUP_SECONDS
        return max(0, min(self.steps, int(training / SECONDS_A_STEP)))


@lru_cache(maxsize=256)
def losses(run_id: str, steps: int) -> tuple[float, ...]:
    """A noisy curve with a slow fall: most of a flow-match loss is the random timestep."""
    chance = random.Random(run_id)  # noqa: S311
    return tuple(
        max(0.02, 0.30 + 0.12 * 2.718 ** (-i / 300) + chance.gauss(0, 0.09)) for i in range(steps)
    )


def log_at(run_id: str, input: dict[str, Any], files: int, images: int, done: int | None) -> str:
    """The trainer's log once *done* steps are done; None: not begun. Beyond the last: complete."""
    if done is None:
        return ""
    steps = int(input.get("steps", 1000))
    rank = int(input.get("lora_rank", 16))
    lines = [
        'weights | INFO  | [ Complete ] dest=. size="34 GB" total_elapsed=26.188s',
        "Downloaded base weights in 26.606263875961304 seconds",
        f"Extracted {files} files from zip to input_images",
        "Starting train job",
        *json.dumps(
            {"type": "custom_sd_trainer", "train": {"steps": steps}}, indent=0
        ).splitlines(),
        "Using EMA",
        "#############################################",
        "# Running job: flux_train_replicate",
        "#############################################",
        "Running  1 process",
        "Loading Flux model",
        "Loading transformer",
        "Loading vae",
        "Loading t5",
        "Loading clip",
        "making pipe",
        "preparing",
        f"create LoRA network. base dim (rank): {rank}, alpha: {rank}",
        "neuron dropout: p=None, rank dropout: p=None, module dropout: p=None",
        "create LoRA for Text Encoder: 0 modules.",
        "enable LoRA for U-Net",
        "Dataset: input_images",
        "-  Preprocessing image dimensions",
        f"100%|██████████| {images}/{images} [00:00<00:00, 215.99it/s]",
        f"-  Found {images} images",
        "Caching latents for input_images",
        "- Keeping latents in memory",
        "Generating baseline samples before training",
        f"flux_train_replicate:   0%|          | 0/{steps} [00:00<?, ?it/s]",
    ]
    curve = losses(run_id, steps)
    rate = float(input.get("learning_rate", 4e-4))
    bad = DIVERGES_AT_STEP if diverges(input) else steps
    for count in range(min(done, steps)):
        if count >= bad:
            lines.append("loss is nan")
        lines.append(_bar(count, steps, rate, curve[count] if count < bad else 0.0))
    return "\n".join(lines)


def log_end() -> str:
    """What follows the last bar: always N-1 of N, then the archive's members."""
    folder = "output/flux_train_replicate"
    return "\n".join(
        (
            f"Saved to {folder}/optimizer.pt",
            f"{folder}/",
            f"{folder}/config.yaml",
            f"{folder}/lora.safetensors",
            f"{folder}/captions/",
        )
    )


def _bar(count: int, steps: int, rate: float, loss: float) -> str:
    share = count / steps
    filled = int(share * 10)
    bar = ("█" * filled + ("▍" if filled < 10 else "")).ljust(10)[:10]
    spent, left = count * SECONDS_A_STEP, (steps - count) * SECONDS_A_STEP
    return (
        f"flux_train_replicate: {int(share * 100):3d}%|{bar}| {count}/{steps} "
        f"[{_clock(spent)}<{_clock(left)},  {1 / SECONDS_A_STEP:.2f}it/s, "
        f"lr: {rate:.1e} loss: {loss:.3e}]"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"
