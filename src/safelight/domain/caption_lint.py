"""What is wrong with a set's captions: untrue, all alike, or naming what the trigger should mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from safelight.domain.findings import Finding, Level, Trust, of_set, shown
from safelight.domain.leaks import leaks_in
from safelight.domain.limits import ALMOST_ALL
from safelight.domain.measured import WHOLE_BODY, Framing, Measured
from safelight.domain.members import SetPhoto

ENOUGH = 5
"""Captions of the producer's own, before a phrase in almost all of them is one too many."""

_HAIR = "blonde?|brown|black|dark|red|grey|gray|white|long|short|curly|straight|wavy"
_IDENTITY = re.compile(
    rf"\b(?:(?:{_HAIR})[- ](?:hair(?:ed)?|beard)|(?:blue|green|brown|hazel|grey|gray)[- ]eye[sd]?"
    r"|freckles|moustache|mustache|beard(?:ed)?|bald|tattoos?|scar"
    r"|(?:pale|dark|tanned|olive|fair)[- ]skin(?:ned)?"
    r"|(?:young|old|elderly)(?= (?:man|woman|person|lady|girl|boy|guy))|middle-aged|teenage[dr]?"
    r"|\d{1,2}[- ]years?[- ]old)\b",
    re.IGNORECASE,
)
"""Words that say who somebody is: said in a caption, they are learned apart from the trigger (C9)."""

_FRAMING = {
    Framing.CLOSE_UP: re.compile(r"\b(?:close[- ]?up|head ?shot|face shot)\b", re.IGNORECASE),
    Framing.MEDIUM: re.compile(
        r"\b(?:medium shot|waist[- ]up|half[- ]body|upper body)\b", re.IGNORECASE
    ),
    Framing.FULL_BODY: re.compile(
        r"\b(?:full[- ]body|full[- ]length|head to toe)\b", re.IGNORECASE
    ),
    Framing.WIDE: re.compile(r"\b(?:wide shot|far shot|in the distance)\b", re.IGNORECASE),
}
_PLAIN = re.compile(
    r"\b(?:plain|white|gr[ae]y|blank|studio) (?:background|backdrop)\b", re.IGNORECASE
)
_ALONE = re.compile(r"\b(?:alone|solo)\b", re.IGNORECASE)
_LEAK = re.compile(
    r"\*\*|```|^\s*#|\b(?:as an ai|system prompt|here is (?:a|the) caption)\b", re.IGNORECASE
)
_PREPENDED = "the trainer puts the trigger in front of a caption that lacks it"
_DESCRIBED = "what captions say is learned apart from the trigger, and what they all say with it"
_WORD = re.compile(r"[^\W_]+(?:[-'][^\W_]+)*")


def lint_captions(photos: Sequence[SetPhoto], trigger: str | None = None) -> list[Finding]:
    """Findings on the producer's own captions; ours are true by how they are made.

    *trigger*: the subject's, or a word that stands for it; without it, its absence is not judged.
    Nothing here takes a photo out: a caption is the producer's to decide.
    """
    found: list[Finding] = []
    for photo in photos:
        if text := (photo.caption or "").strip():
            found += _one(photo, text, trigger)
    texts = [text for photo in photos if (text := (photo.caption or "").strip())]
    return [*found, *_all_alike(texts, trigger)]


def _one(photo: SetPhoto, text: str, trigger: str | None) -> Iterator[Finding]:
    def say(kind: str, level: Level, says: str, remedy: str, what: str, source: str) -> Finding:
        message = f"The caption of {shown(photo.name)} {says}. {remedy}"
        return Finding(
            kind, level, message, photo.name, photo.id,
            trust=Trust.HINT, measured=what, remedy=remedy, source=source,
        )  # fmt: skip

    marks = (trigger, "[trigger]", "{trigger}", "[name]")
    if trigger is not None and not any(mark and mark.lower() in text.lower() for mark in marks):
        says = "does not have the trigger word; it is put in front"
        remedy = "Write [trigger] where the subject is named."
        yield say("caption-without-trigger", Level.NOTE, says, remedy, text[:80], _PREPENDED)
    if words := sorted({match.lower() for match in _IDENTITY.findall(text)}):
        listed = ", ".join(f"'{word}'" for word in words)
        says = f"says who the subject is ({listed}), which is then learned apart from the trigger"
        remedy = (
            "Describe what changes from photo to photo, unless the word is meant to be asked for."
        )
        yield say("caption-identity", Level.NOTE, says, remedy, listed, _DESCRIBED)
    if leak := _leak_in(text):
        says = "has text in it that is no caption"
        remedy = "Take out markdown and instructions."
        yield say(
            "caption-leak",
            Level.WARN,
            says,
            remedy,
            leak[:80],
            "instructions in a caption are drawn as words of it",
        )
    measured = photo.facts.measured if photo.facts else None
    for says, what in _untrue(text, measured) if measured else ():
        remedy = "A caption that is not true teaches the wrong thing; correct it."
        yield say(
            "caption-untrue",
            Level.WARN,
            says,
            remedy,
            what,
            "a caption has to be true of its photo",
        )


def _leak_in(text: str) -> str | None:
    if found := _LEAK.search(text):
        return found[0]
    return next((line[a:b] for line in text.splitlines() for a, b in leaks_in(line)), None)


def _untrue(text: str, measured: Measured) -> Iterator[tuple[str, str]]:
    """What the caption asserts and the measurements contradict."""
    claims = [framing for framing, words in _FRAMING.items() if words.search(text)]
    seen = measured.framing
    alike = WHOLE_BODY if seen in WHOLE_BODY else {seen}
    if seen in _FRAMING and claims and not alike & set(claims):
        yield f"says {claims[0].value} and the photo is {seen.value}", str(claims[0].value)
    if (match := _PLAIN.search(text)) and measured.plain_background is False:
        yield f"says '{match[0]}' and the background is not plain", match[0]
    if (match := _ALONE.search(text)) and (measured.people or 0) > 1:
        yield f"says '{match[0]}' and {measured.people} people were found", match[0]


def _all_alike(captions: Sequence[str], trigger: str | None) -> list[Finding]:
    """A phrase in almost all captions is learned as part of the subject (C9: PortOS, 25 of 25)."""
    if len(captions) < ENOUGH:
        return []
    counts: Counter[tuple[str, ...]] = Counter()
    for text in captions:
        counts.update(_phrases(text, trigger))
    most = [phrase for phrase, n in counts.items() if n > ALMOST_ALL.value * len(captions)]
    longest: list[tuple[str, ...]] = []
    for phrase in sorted(most, key=lambda words: (-len(words), words)):
        if not any(" ".join(phrase) in " ".join(other) for other in longest):
            longest.append(phrase)
    found = []
    for phrase in longest:
        said, n = " ".join(phrase), counts[phrase]
        says = f"'{said}' is in {n} of {len(captions)} captions, so it is learned with the subject."
        remedy = "Say it only where it is what differs, or leave it out."
        found.append(
            of_set(
                "caption-phrase", Level.WARN, says, round(n / len(captions), 3), ALMOST_ALL.value,
                remedy, source=_DESCRIBED, trust=Trust.HINT,
            )
        )  # fmt: skip
    return found


def _phrases(text: str, trigger: str | None) -> set[tuple[str, ...]]:
    """Two to five words of one part of the caption, the trigger and its noun left out."""
    found: set[tuple[str, ...]] = set()
    named = re.escape(trigger) if trigger else r"(?!)"
    subject = re.compile(
        rf"(?:{named}|\[trigger\]|\{{trigger\}}|\[name\])(?:\s+(?:person|character))?",
        re.IGNORECASE,
    )
    for part in re.split(r"[,.;\n]", subject.sub(",", text)):
        words = [word.lower() for word in _WORD.findall(part)]
        for length in range(2, 6):
            found |= {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}
    return {phrase for phrase in found if phrase[-1] not in _SMALL and phrase[0] not in _SMALL}


_SMALL = {"of", "a", "an", "the", "in", "on", "at", "with", "and", "to", "by", "from"}
