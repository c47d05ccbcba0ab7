"""A whole rank-48 LoRA, 515 MB, through the command as a person runs it: passes, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.local.emulator.archive import write_tar
from safelight.stages.weights import unpack

INSPECT = """
import sys
from pathlib import Path
from safelight.cli.main import app
try:
    app(sys.argv[1:])
finally:
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(line for line in status if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""


def inspect(path: Path, rank: int) -> tuple[int, dict[str, object], int]:
    """Exit code, what was printed, and the peak of the process's memory in bytes."""
    command = ("weights", "inspect", str(path), "--rank", str(rank), "--json")
    done = subprocess.run(
        (sys.executable, "-c", INSPECT, *command), capture_output=True, text=True, check=False
    )
    return done.returncode, json.loads(done.stdout), int(done.stderr.split()[-1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_rank_48_file_of_515_mb_passes_under_200_mb_and_a_cut_one_fails(tmp_path: Path) -> None:
    """R-120, K15: 5,369,856 parameters a rank, two bytes each."""
    write_tar(tmp_path / "trained.tar", {"lora_rank": 48}, {}, "all", "acceptance")
    path = unpack(tmp_path / "trained.tar", tmp_path).weights
    (tmp_path / "trained.tar").unlink()
    code, told, peak = inspect(path, 48)
    assert (code, told["ok"], told["rank"], told["tensors"]) == (0, True, 48, 988)
    assert 515_000_000 < int(str(told["bytes"])) < 516_000_000
    assert peak < 200_000_000
    with path.open("r+b") as file:
        file.truncate(400_000_000)
    code, told, _ = inspect(path, 48)
    assert code == 1
    assert "cut short" in str(told["problems"])
    path.unlink()


def test_a_rank_16_file_that_claims_48_fails(tmp_path: Path) -> None:
    write_tar(tmp_path / "trained.tar", {"lora_rank": 16}, {}, "all", "acceptance")
    path = unpack(tmp_path / "trained.tar", tmp_path).weights
    code, told, _ = inspect(path, 48)
    assert code == 1
    assert "Rank 48 was asked for and the weights have rank 16." in str(told["problems"])
    assert "over 2 % off" in str(told["problems"])
