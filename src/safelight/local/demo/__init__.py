"""The demo's photos: one made-up character, rendered by `tools/render_demo_subject.py`, CC0."""

from __future__ import annotations

from pathlib import Path


def photos() -> Path:
    """The folder that holds them."""
    return Path(__file__).parent
