"""What is known of one photo, and what follows from it under a profile's gates.

Decoding costs time and is done once; facts are stored. Judging is pure, so a gate may change and
every photo be judged anew without its bytes being fetched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from safelight.domain.errors import SafelightError
from safelight.domain.findings import Finding, Level, Trust, shown
from safelight.domain.gates import Gates
from safelight.domain.measured import Measured
from safelight.domain.quality import judge_measured

MAX_PIXELS = 100_000_000
"""More is not decoded. 100 MP holds every phone's and camera's usual output; a decoded pixel costs up
to 4 bytes, so the largest photo fits the decoder's memory limit five times over."""

MAX_BYTES = 64 * 1024 * 1024
"""Larger files are not fetched: a 100 MP JPEG at quality 95 stays under this."""

_SIZE = "512 pixels at least, and 1024 rather, in the field notes"
_BYTES = "the profile's own; 10 KB in the field notes"
_DECODED = "what cannot be decoded cannot be trained on"
_PLAIN = "the trainer takes one upright, opaque picture of 8 bits a channel in sRGB"
_LARGEST = "a JPEG of 100 megapixels at quality 95 has less"
_INSPECTED = "its sha256 when it was inspected"

GOOD_SIDE = 1024
"""The shorter side asked for (R-28 'prefer 1024'): the trainer's largest usual resolution."""


class Undecodable(SafelightError):
    """The photo cannot be decoded."""

    code = "undecodable-photo"
    status = 422

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        format: str | None = None,
        size: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(f"The photo cannot be decoded ({kind}): {detail}")
        self.kind = kind
        """One of `FAULTS`."""
        self.detail = detail
        self.format = format
        self.size = size


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the decoder measured. Sizes are in pixels after the EXIF turn, 0 where unknown.

    `phash` and `mirror_phash` are 64-bit perceptual hashes of the picture and of its mirror image.
    `fault` is a key of `FAULTS` when the photo is not decodable, `fault_detail` what was seen.
    `measured` is what the eye saw in it; None where it was not looked at.
    """

    bytes: int
    sha256: str | None = None
    format: str | None = None
    width: int = 0
    height: int = 0
    orientation: int = 1
    mode: str | None = None
    bits: int = 8
    alpha: bool = False
    frames: int = 1
    phash: int | None = None
    mirror_phash: int | None = None
    decodable: bool = True
    fault: str | None = None
    fault_detail: str | None = None
    measured: Measured | None = None

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON takes them; hashes as 16 hex digits (64 bits do not fit a JSON number)."""
        return {
            **asdict(self),
            "phash": _hex(self.phash),
            "mirror_phash": _hex(self.mirror_phash),
            "measured": self.measured.to_dict() if self.measured else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PhotoFacts:
        """The facts `to_dict` made; keys of a newer version are passed over."""
        known = {key: data[key] for key in cls.__dataclass_fields__ if key in data}
        hashes = {
            key: int(data[key], 16)
            for key in ("phash", "mirror_phash")
            if data.get(key) is not None
        }
        seen = data.get("measured")
        measured = Measured.from_dict(seen) if seen else None
        return cls(**{**known, **hashes, "measured": measured})


@dataclass(frozen=True, slots=True)
class Inspection:
    """A photo's facts, and the findings that hold under any gates."""

    facts: PhotoFacts
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Derived:
    """The file made from a photo for training: upright sRGB JPEG without metadata."""

    width: int
    height: int
    bytes: int
    sha256: str


FAULTS: dict[str, tuple[str, str]] = {
    "not-an-image": (
        "is not an image ({detail})",
        "Send the photo itself as JPEG, PNG or WebP.",
    ),
    "unsupported-format": (
        "is in a format that is not read here ({detail})",
        "Export it as JPEG, PNG or WebP and send that.",
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

PASSING = {"unsupported-format", "overrun", "unreadable"}
"""Faults that may be the machine's and not the photo's: a reader not installed then, a box under load."""


def judge_decoding(
    facts: PhotoFacts, *, name: str, photo_id: str | None = None
) -> tuple[Finding, ...]:
    """The findings that follow from the facts alone, whatever the gates."""
    find = _Finder(name, photo_id)
    if not facts.decodable:
        kind = facts.fault if facts.fault in FAULTS else "undecodable"
        says, remedy = FAULTS[kind]
        detail = facts.fault_detail or "no reason given"
        limit = MAX_PIXELS if kind == "too-many-pixels" else None
        source = "a camera's usual output, and the decoder's memory" if limit else _DECODED
        says = says.format(detail=detail)
        return (find(kind, Level.BLOCK, says, detail, limit, remedy, source),)
    found = []
    if facts.frames > 1:
        says = f"is animated ({facts.frames} frames); only its first frame is used"
        found.append(
            find("animated", Level.WARN, says, facts.frames, 1, "Send a still photo.", _PLAIN)
        )
    if facts.mode == "CMYK":
        says = "is in print colours (CMYK) and is turned into sRGB"
        found.append(find("cmyk", Level.NOTE, says, "CMYK", "sRGB", None, _PLAIN))
    if facts.bits > 8:
        says = f"has {facts.bits} bits a channel and is scaled to 8"
        found.append(find("sixteen-bit", Level.NOTE, says, facts.bits, 8, None, _PLAIN))
    if facts.alpha:
        says = "has transparent parts, which become white"
        remedy = "If that is not meant, send the photo with its own background."
        found.append(find("alpha", Level.NOTE, says, "transparency", "opaque", remedy, _PLAIN))
    if facts.orientation != 1:
        says = f"is stored turned (EXIF orientation {facts.orientation}) and is set upright"
        found.append(find("turned", Level.NOTE, says, facts.orientation, 1, None, _PLAIN))
    return tuple(found)


def judge_photo(
    facts: PhotoFacts,
    gates: Gates,
    *,
    name: str,
    photo_id: str | None = None,
    kind: str = "person",
) -> tuple[Finding, ...]:
    """Every finding on one photo of a subject of *kind* under *gates*.

    Pure, so it can be asked again when a gate changes.
    """
    found = list(judge_decoding(facts, name=name, photo_id=photo_id))
    if not facts.decodable:
        return tuple(found)
    find = _Finder(name, photo_id)
    short = min(facts.width, facts.height)
    size = f"{facts.width} × {facts.height} pixels"
    if short < gates.min_side:
        says = f"is {size}; its shorter side must be at least {gates.min_side}"
        remedy = "Send the original, or a larger copy; enlarging a small one does not help."
        found.append(find("too-small", Level.BLOCK, says, short, gates.min_side, remedy, _SIZE))
    elif short < GOOD_SIDE:
        says = f"is {size}; {GOOD_SIDE} or more on the shorter side is better"
        remedy = "Send the original if there is a larger one."
        found.append(find("smaller-than-good", Level.NOTE, says, short, GOOD_SIDE, remedy, _SIZE))
    if facts.bytes < gates.min_bytes:
        says = f"is {facts.bytes:,} bytes; at least {gates.min_bytes:,} are needed"
        remedy = "Send the original; a file this small has lost its detail to compression."
        found.append(
            find("too-few-bytes", Level.BLOCK, says, facts.bytes, gates.min_bytes, remedy, _BYTES)
        )
    if facts.measured is not None:
        found += judge_measured(facts.measured, gates, find, kind=kind)
    return tuple(found)


def missing(name: str, photo_id: str | None) -> Finding:
    """The finding for a photo whose bytes are not in the store."""
    says = "is not in the store: its upload never ended, or it was deleted"
    remedy = "Upload it again, or remove it."
    return _Finder(name, photo_id)("missing", Level.BLOCK, says, None, None, remedy)


def too_many_bytes(name: str, photo_id: str | None, size: int) -> Finding:
    """The finding for a file that is too large to fetch."""
    says = f"is {size:,} bytes; the limit is {MAX_BYTES:,}"
    remedy = "Export it as a JPEG and send that."
    return _Finder(name, photo_id)(
        "too-many-bytes", Level.BLOCK, says, size, MAX_BYTES, remedy, _LARGEST
    )


def changed(name: str, photo_id: str | None, before: str | None, now: str | None) -> Finding:
    """The finding for a photo whose stored bytes are not those that were inspected."""
    says = "is not the file that was inspected: its bytes in the store have changed"
    remedy = "Upload it as a new photo."
    return _Finder(name, photo_id)("changed", Level.BLOCK, says, now, before, remedy, _INSPECTED)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Makes the findings on one photo; the message is the name, what is said of it, the way out."""

    name: str
    photo_id: str | None

    def __call__(
        self,
        kind: str,
        level: Level,
        says: str,
        measured: str | float | None,
        limit: str | float | None = None,
        remedy: str | None = None,
        source: str | None = None,
        trust: Trust = Trust.MEASURED,
    ) -> Finding:
        return Finding(
            kind=kind,
            level=level,
            message=f"{shown(self.name)} {says}." + (f" {remedy}" if remedy else ""),
            photo=self.name,
            photo_id=self.photo_id,
            measured=measured,
            limit=limit,
            remedy=remedy,
            source=source,
            trust=trust,
        )


def _hex(value: int | None) -> str | None:
    return None if value is None else f"{value:016x}"
