"""What is known of one photo, and what follows from it under a profile's gates.

Decoding costs time and is done once; facts are stored. Judging is pure, so a gate may change and
every photo be judged anew without its bytes being fetched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from safelight.domain.errors import SafelightError
from safelight.domain.faults import FAULTS, MAX_PIXELS, NAMED
from safelight.domain.findings import Finding, Level, Trust, shown
from safelight.domain.formats import way_out
from safelight.domain.gates import Gates
from safelight.domain.measured import Measured
from safelight.domain.nouns import SubjectKind
from safelight.domain.quality import judge_measured

MAX_BYTES = 50 * 1024 * 1024
"""Larger files are neither taken nor fetched. A 100 MP JPEG of a phone has about 30 MB: past this it is
not a photo straight from a camera."""

_SIZE = "512 pixels at least, and 1024 rather, in the field notes"
_BYTES = "the profile's own; 10 KB in the field notes"
_DECODED = "what cannot be decoded cannot be trained on"
_PLAIN = "the trainer takes one upright, opaque picture of 8 bits a channel in sRGB"
_LARGEST = "a JPEG of 100 megapixels, as a phone writes it, has about 30 MB"
_INSPECTED = "its sha256 when it was inspected"

GOOD_SIDE = 1024
"""The shorter side asked for (R-28 'prefer 1024'): the trainer's largest usual resolution."""


DECODER = "decoder-2"
"""The version of what opens photos and tells what the others are. A photo that another version could not
decode is looked at once more."""


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
    `fault` is a key of `FAULTS` when the photo is not decodable, `fault_detail` what was seen, `decoder`
    the version of what saw it.
    `measured` is what the eye saw in it; None where it was not looked at. `location_removed` is how many
    properties of where it was taken were taken out of it, by where they were, `location_kept` how many are
    in it still, since its owner keeps them.
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
    decoder: str | None = None
    measured: Measured | None = None
    location_removed: Mapping[str, int] | None = None
    location_kept: Mapping[str, int] | None = None

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


def judge_decoding(
    facts: PhotoFacts, *, name: str, photo_id: str | None = None
) -> tuple[Finding, ...]:
    """The findings that follow from the facts alone, whatever the gates."""
    find = _Finder(name, photo_id)
    found: list[Finding] = []
    if facts.location_removed:
        found.append(_located(find, facts.location_removed))
    if not facts.decodable:
        kind = facts.fault if facts.fault in FAULTS else "undecodable"
        says, remedy = FAULTS[kind]
        if kind in NAMED:
            remedy = way_out(facts.format) or remedy
        detail = facts.fault_detail or "no reason given"
        limit = MAX_PIXELS if kind == "too-many-pixels" else None
        source = "a camera's usual output, and the decoder's memory" if limit else _DECODED
        says = says.format(detail=detail)
        return (find(kind, Level.BLOCK, says, detail, limit, remedy, source), *found)
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


_WHERE = {
    "exif": "EXIF tags",
    "xmp": "XMP properties",
    "iptc": "IPTC fields",
    "film": "entries of the film in it",
    "text": "texts",
}


def _located(find: _Finder, removed: Mapping[str, int]) -> Finding:
    told = ", ".join(f"{count} {_WHERE.get(where, where)}" for where, count in removed.items())
    says = f"said where it was taken ({told}); that was taken out before it was used"
    remedy = "To keep it in what is stored, say so in your policy (keep_location)."
    return find(
        "location-removed", Level.NOTE, says, sum(removed.values()), 0, remedy, "privacy by default"
    )


def judge_photo(
    facts: PhotoFacts,
    gates: Gates,
    *,
    name: str,
    photo_id: str | None = None,
    kind: str = SubjectKind.PERSON,
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


def changed(
    name: str,
    photo_id: str | None,
    before: str | int | None,
    now: str | int | None,
    *,
    since: str = "inspected",
    source: str = _INSPECTED,
) -> Finding:
    """The finding for a photo whose stored bytes are not those that were inspected, or else *since*."""
    says = f"is not the file that was {since}: its bytes in the store are others"
    remedy = "Upload it as a new photo."
    return _Finder(name, photo_id)("changed", Level.BLOCK, says, now, before, remedy, source)


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
