"""The numbers that photos are judged by whatever the profile, each with where it comes from.

A judgement is the photo's measurements against these, so a number may change and every photo be judged
anew without being decoded again. `JUDGE` is stored with every report and rises with any change here.
"""

from __future__ import annotations

from dataclasses import dataclass

JUDGE = "judge-3"
"""The version of everything that judges. Reports of another version can be made anew."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number and its source."""

    value: float
    source: str


SAME_PERSON = Limit(0.50, "38 pairs of one person: 0.547 or more")
"""Cosine of identity vectors: from here on one person."""
OTHER_PERSON = Limit(0.36, "262 pairs of two persons: 0.356 or less")
"""Under this another person; between the two a person looks."""
OTHER_PERSON_SIDEWAYS = Limit(0.20, "not validated; 262 pairs were of faces seen from the front")
"""The same for a face seen from the side."""
FACE_PIXELS = Limit(28, "identity was measured on faces 28 pixels wide or more")
"""Narrower faces say nothing about who it is."""

BLURRED_FACE = Limit(
    0.16, "37 real faces: 0.18 or more sharp, 0.07 to 0.16 blurred by a hundredth of their width"
)
"""R-32, C7: a face less sharp than this is blurred."""
SMOOTHED = Limit(
    0.85,
    "29 real faces: untouched 0.91 or more but one; after a filter under it in half to four fifths",
)
"""R-30, R-45: less than this looks like a beauty filter."""
BLOCKY = Limit(2.2, "37 real photos: up to 1.8 saved at 75, 3.07 recompressed from quality 10")
"""R-32: more than this has been compressed hard before."""
LOW_QUALITY = Limit(40, "the quality in the file's own tables, exact within 0.2")
"""A JPEG saved at less has lost detail."""
DARK = Limit(0.12, "not validated; mean brightness, 0 to 1")
BRIGHT = Limit(0.90, "not validated; mean brightness, 0 to 1")
CLIPPED = Limit(0.40, "not validated; the share of pixels at black or white")
LYING = Limit(60, "identity is not measurable on a face turned by 90 degrees")
"""Degrees: a face rolled further lies on its side."""

CUT_SIDEWAYS = Limit(0.20, "65 whole faces at the edge: up to 0.16; a cut face halves the likeness")
"""Share of a face's width beyond the photo's edge from which it is cut."""
CUT_EYE = Limit(0.12, "the same faces; an eye at the edge or beyond it")
"""The same where an eye is not in the picture."""
CUT_UPRIGHT = Limit(0.33, "65 faces: a forehead cropped tightly is up to 0.30, eyes go from 0.35")
"""Share of a face's height above or below the photo's edge from which it is cut."""
HALF_SIDEWAYS = Limit(0.35, "65 faces: one eye of two is in the picture")
HALF_UPRIGHT = Limit(0.45, "65 faces: eyes or mouth are not in the picture")
"""From here on about half of the face is missing."""

ALIKE_PLACE = Limit(0.05, "534 copies, some cropped by 3 % or mirrored: more in 1 of 100")
"""Shares of the photo that a face or a point of the body may be off in a copy."""
ALIKE_CROP = Limit(0.03, "534 copies: the body's middle 0.026 off or less")
"""Shares of the photo by which a crop may move the whole body."""
ALIKE_POSE = Limit(
    0.035, "534 copies: with it, 1 of 200 is taken for another pose, 1 of 100 without"
)
"""The same as `ALIKE_PLACE`, of what a crop does not explain."""
ALIKE_YAW = Limit(0.26, "534 copies: up to 0.26, from the side more")
"""By how much the yaw of a copy's face may differ."""
ALIKE_SEEN = Limit(2, "534 copies: 4 or fewer")
"""Points of the body that may be seen in the one and hidden in the other of two copies."""
ALIKE_BITS = Limit(2, "446 of 534 copies; 4 of 180 pairs of distinct photos before one backdrop")
"""Up to so many bits two looks are next to the same: then those limits are doubled."""

BUSY_BACKGROUND = Limit(0.14, "edge density: 0.00 to 0.02 plain, 0.14 to 0.20 busy")
ALMOST_ALL = Limit(
    0.80, "a set of which more than four in five photos share a trait is that trait's"
)
"""For variety (R-36 to R-38), and for phrases in captions."""
PROCESSED_APART = Limit(0.15, "light may vary, processing may not")
"""Between this share and its rest, a set mixes two kinds of processing."""

FEWER = Limit(0.75, "retrains on a quarter to half of the photos drew the wrong person")
"""A retrain with less than this share of the last good version's photos is asked about."""
OVERLAP = Limit(0.50, "with less than half in common it is another set")
"""Less than this share of the last good set in the new one makes it another set."""
EXPOSURES_UP = Limit(2.0, "20 photos at 1400 steps are 70 each, 5 are 280")
"""More exposures an image than this many times the last good version's are asked about."""
