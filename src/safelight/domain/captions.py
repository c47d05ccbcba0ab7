"""Captions that are true of each photo: what was measured or said by the producer, nothing guessed.

A template that says 'white background' of every photo teaches the model that the subject has one
(K10). Where nothing was measured, the caption is the subject alone (R-68). What varies between photos
is described, so that it is not learned as the subject's own; who the subject is never is.
"""

from __future__ import annotations

import re

from safelight.domain.composition import tags_of
from safelight.domain.measured import Framing, Measured
from safelight.domain.nouns import SubjectKind

NOUNS: dict[str, str] = {
    SubjectKind.PERSON: "person",
    SubjectKind.MODEL: "person",
    SubjectKind.CHARACTER: "character",
}
"""What a subject of each kind is called in a caption and a prompt (R-68)."""

MAX_CAPTION = 2000
"""Characters: more than the 512 tokens that the text encoder reads of a caption."""

_PLACEHOLDER = re.compile(r"\[(?:trigger|name)\]|\{trigger\}", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def noun_of(kind: str) -> str:
    """'person' or 'character' for a subject's kind; 'subject' for a kind that is not known."""
    return NOUNS.get(kind, "subject")


def normalise(text: str) -> str:
    """*text* as the trainer makes it: line ends become commas, parts are trimmed, empty ones go."""
    one_line = _CONTROL.sub(" ", re.sub(r"[\r\n]+", ",", text))
    parts = (re.sub(r"\s+", " ", part).strip() for part in one_line.split(","))
    return ", ".join(part for part in parts if part)


def caption_for(
    trigger: str, kind: str, own: str | None = None, measured: Measured | None = None
) -> str:
    """The caption of one photo: the producer's own with the trigger in it, else what was measured.

    The trigger is prepended when absent, as the trainer would do, so that the file in the dataset is
    the caption trained on.
    """
    text = normalise(_PLACEHOLDER.sub(trigger, own or ""))
    if not text:
        return _measured(trigger, kind, measured)
    return text if trigger in text else f"{trigger} {text}"


def _measured(trigger: str, kind: str, measured: Measured | None) -> str:
    photo = "image" if kind == SubjectKind.CHARACTER else "photo"
    if measured is None:
        return f"{photo} of {trigger} {noun_of(kind)}"
    framing = _FRAMING.get(measured.framing, "{photo} of {who}") if measured.framing else None
    who = f"{trigger} {noun_of(kind)}"
    parts = [(framing or "{photo} of {who}").format(photo=photo, who=who)]
    if measured.framing is Framing.WIDE and measured.head_to_toe:
        parts.append("full body in the distance")
    if (measured.people or 0) > 1:
        parts[0] += " with another person" if measured.people == 2 else " with other people"
    angle = measured.face.angle if measured.face else None
    if angle is not None and angle.side in _ANGLES:
        parts.append(_ANGLES[angle.side])
    if measured.plain_background:
        parts.append("plain background")
    elif "busy-background" in tags_of(measured):
        parts.append("detailed background")
    return ", ".join(parts)


_FRAMING = {
    Framing.CLOSE_UP: "close-up {photo} of {who}",
    Framing.MEDIUM: "medium shot {photo} of {who}",
    Framing.FULL_BODY: "full body {photo} of {who}",
    Framing.WIDE: "wide shot {photo} of {who}",
}
_ANGLES = {"three-quarter": "three-quarter view", "side": "seen from the side"}
