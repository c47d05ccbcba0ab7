"""`make demo`, as a new user runs it: photos in, a version and previews out, twice."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from safetensors import safe_open


def demo(home: Path) -> tuple[subprocess.CompletedProcess[str], float]:
    kept = ("DATABASE_URL", "BROKER_URL", "S3_ENDPOINT_URL", "REPLICATE_API_TOKEN")
    env = {k: v for k, v in os.environ.items() if k not in kept}
    started = time.monotonic()
    done = subprocess.run(
        (sys.executable, "-m", "safelight.cli", "demo"),
        capture_output=True,
        text=True,
        env={**env, "SAFELIGHT_HOME": str(home)},
        timeout=240,
        check=False,
    )
    return done, time.monotonic() - started


def test_the_demo_ends_with_a_version_and_previews_and_runs_again_within_a_minute(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    first, _ = demo(home)
    assert first.returncode == 0, first.stderr[-2000:]
    assert "EMULATED" in first.stdout
    assert "version       1 (active)" in first.stdout
    assert "links verified, photos to approver" in first.stdout, "nothing broken, nothing missing"
    with safe_open(home / "demo" / "lora.safetensors", framework="numpy") as weights:
        names = list(weights.keys())
        assert weights.get_tensor(names[0]).shape[0] == 16
    with Image.open(home / "demo" / "contact-sheet.png") as sheet:
        assert sheet.width > 1000
    assert len(list((home / "demo").glob("preview-*"))) == 3

    second, seconds = demo(home)
    assert second.returncode == 0, second.stderr[-2000:]
    assert "version       2 (candidate)" in second.stdout
    assert "(0 new)" in second.stderr, "no photo is sent twice"
    assert seconds < 60
