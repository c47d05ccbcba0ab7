"""Captions that are true of each photo: what was measured or said by the producer, nothing guessed.

A template that says 'white background' of every photo teaches the model that the subject has one
(K10). Until something is measured, the caption is the subject alone (R-68).
"""

from __future__ import annotations

import re

NOUNS = {"person": "person", "model": "person", "character": "character"}
"""What a subject of each kind is called in a caption and a prompt (R-68)."""

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


def caption_for(trigger: str, kind: str, own: str | None = None) -> str:
    """The caption of one photo: the producer's own with the trigger in it, else the subject alone.

    The trigger is prepended when absent, as the trainer would do, so that the file in the dataset is
    the caption trained on.
    """
    text = normalise(_PLACEHOLDER.sub(trigger, own or ""))
    if not text:
        photo = "image" if kind == "character" else "photo"
        return f"{photo} of {trigger} {noun_of(kind)}"
    return text if trigger in text else f"{trigger} {text}"
