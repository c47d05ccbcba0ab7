"""Why a photo cannot be decoded, in words."""

from __future__ import annotations

from safelight.domain.formats import EXPORT, spoken

MAX_PIXELS = 100_000_000
"""More is not decoded. 100 MP holds every phone's and camera's usual output; a decoded pixel costs up
to 4 bytes, so the largest photo fits the decoder's memory limit five times over."""

FAULTS: dict[str, tuple[str, str]] = {
    "not-an-image": (
        "is not an image ({detail})",
        f"Send the photo itself as {spoken()}.",
    ),
    "unsupported-format": (
        "is in a format that is not read here ({detail})",
        EXPORT,
    ),
    "truncated": (
        "is cut short: its last part is missing ({detail})",
        "Send the whole file again.",
    ),
    "undecodable": (
        "cannot be decoded ({detail})",
        "Open it in a photo program, save it as a new JPEG and send that.",
    ),
    "overrun": (
        "was not decoded within the time and memory that a photo may take ({detail})",
        "The next inspection tries again; if it ends the same, save it as a new JPEG and send that.",
    ),
    "unreadable": (
        "cannot be read from the disk ({detail})",
        "Give yourself the right to read it, or copy it anew.",
    ),
    "too-many-pixels": (
        "is too large to decode: {detail}, the limit is " + f"{MAX_PIXELS:,} pixels",
        "Export it with a longest side of 4,000 pixels or so.",
    ),
}
"""Why a photo cannot be used at all: kind → (what is said of it, the way out)."""

NAMED = {"not-an-image", "unsupported-format"}
"""Faults of which the kind of file says the way out, where it is known."""

PASSING = {"unsupported-format", "overrun", "unreadable"}
"""Faults that may be the machine's and not the photo's: a reader not installed then, a box under load."""
