"""Prompts: what leaks into them is taken out, and the version's own trigger is put in exactly once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from safelight.domain.captions import noun_of
from safelight.domain.triggers import is_valid_trigger

_LEAK = re.compile(
    r"(?:#+\s*)?(?:system|assistant|developer|instructions?|persona|role|human|user)\s*(?:prompt|message)?\s*:"
    r"|<\|?/?(?:system|assistant|user|im_start|im_end)\b"
    r"|you are\b|your (?:role|task|job) is\b|as an ai\b|i(?:'m| am) (?:an ai|maya)\b"
    r"|(?:sure|certainly|of course|okay)[,!.].*:\s*$|here(?:'s| is| are) (?:the|your|an?)\b[^:]*:\s*$"
    r"|never (?:mention|reveal|say)\b|respond (?:with|only)\b",
    re.IGNORECASE,
)
"""How a line begins that was meant for a language model and not for the drawing one (R-69)."""

_LABEL = re.compile(r"^(?:final |image |flux )?prompt\s*:\s*", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(?:```|~~~).*$")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
_BLOCK_MARK = re.compile(r"^\s*(?:#{1,6}\s+|>\s+|[-*+•]\s+|\d+[.)]\s+)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SPAN = re.compile(r"(\*\*\*|\*\*|\*|___|__|~~|`+)(?=\S)(.+?)(?<=\S)\1")


MAGIC = (
    "masterpiece", "best quality", "high quality", "ultra detailed", "highly detailed", "intricate details",
    "ultra realistic", "hyperrealistic", "hyper realistic", "8k", "8k uhd", "4k uhd", "uhd", "octane render",
    "unreal engine", "trending on artstation", "award winning",
)  # fmt: skip
"""Words of other models' prompts: they say nothing of the picture and pull it to the polished look."""

RETOUCHED = (
    "flawless skin", "perfect skin", "smooth skin", "porcelain skin", "glass skin", "glowing skin",
    "airbrushed", "retouched", "beauty filter", "perfect face", "perfect symmetry", "doll like", "flawless",
    "plastic skin", "cgi", "3d render",
)  # fmt: skip
"""Words that ask for the very plastic look that users complain of (R-70); a character may want them."""

MAX_LAYERS = 50
"""Marks within marks within marks: past this nobody means a prompt."""

_THINK = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_WEIGHT = re.compile(r"\(([^():]+):\s*\d+(?:\.\d+)?\)")


@dataclass(frozen=True, slots=True)
class Change:
    """One change made to a prompt: its kind, and the text taken out or put in.

    Kinds: `system-text`, `markdown`, `label`, `json`, `weight`, `banned` and `trigger` are taken out,
    `added` is put in.
    """

    kind: str
    text: str

    def to_dict(self) -> dict[str, str]:
        """The change as JSON takes it."""
        return {"kind": self.kind, "text": self.text}


@dataclass(frozen=True, slots=True)
class CleanedPrompt:
    """A prompt after cleaning, and every change made to it, in order, for the record."""

    text: str
    changes: tuple[Change, ...] = ()

    @property
    def removed(self) -> tuple[str, ...]:
        """What was taken out."""
        return tuple(change.text for change in self.changes if change.kind != "added")


def banned_words(kind: str, more: Iterable[str] = ()) -> tuple[str, ...]:
    """What is taken out of a prompt for a subject of this kind, and *more* that its preset bans (R-70)."""
    return (*MAGIC, *(() if kind == "character" else RETOUCHED), *more)


def clean_prompt(
    text: str, *, banned: Iterable[str] = (), add: Iterable[str] = ()
) -> CleanedPrompt:
    """*text* without markdown, without lines meant for a language model (R-69) and without *banned*
    words; *add* is put behind it unless it says so already (R-70)."""
    changes: list[Change] = []
    words = tuple(banned)
    clean = _once(text, words, changes)
    for _ in range(MAX_LAYERS):  # what hides within marks shows once they are gone
        before, clean = clean, _once(clean, words, changes)
        if clean == before:
            break
    for phrase in add if clean else ():
        if phrase.lower() not in clean.lower():
            clean = f"{clean}, {phrase}"
            changes.append(Change("added", phrase))
    return CleanedPrompt(clean, tuple(changes))


def _once(text: str, banned: tuple[str, ...], changes: list[Change]) -> str:
    """One layer of marks, leaks and banned words off *text*."""
    text = _unwrapped(text, changes)
    kept: list[str] = []
    for line in text.splitlines():
        mark = _BLOCK_MARK.match(line)
        bare = line[mark.end() :] if mark else line
        label = _LABEL.match(_unspan(bare))
        bare = _unspan(bare)[label.end() :] if label else _unspan(bare)
        bare = re.sub(r"\s+", " ", bare).strip()
        if not line.strip():
            continue
        if _FENCE.match(line) or _RULE.match(line):
            changes.append(Change("markdown", line.strip()))
            continue
        if _LEAK.match(bare):
            changes.append(Change("system-text", line.strip()))
            continue
        if mark:
            changes.append(Change("markdown", mark.group().strip()))
        if label:
            changes.append(Change("label", label.group().strip()))
        rest = line[mark.end() if mark else 0 :]
        changes += [Change("markdown", span.group(1)) for span in _SPAN.finditer(rest)]
        if bare:
            kept.append(bare.rstrip(","))
    return _without(", ".join(kept), banned, changes)


def _unwrapped(text: str, changes: list[Change]) -> str:
    """The prompt out of the JSON object that a language model put it in; thoughts and tags go."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, dict) and isinstance(found.get("prompt"), str):
            changes.append(Change("json", ", ".join(sorted(found))))
            text = found["prompt"]
    for kind, pattern in (("system-text", _THINK), ("markdown", _TAG)):
        changes += [Change(kind, found.group()) for found in pattern.finditer(text)]
        text = pattern.sub(" ", text)
    changes += [Change("weight", found.group()) for found in _WEIGHT.finditer(text)]
    return _WEIGHT.sub(r"\1", text)


def _without(text: str, banned: tuple[str, ...], changes: list[Change]) -> str:
    """*text* without the banned words, longest first, hyphen or space alike; 'no' before one goes too,
    since the drawing model reads the word and not the denial."""
    for words in sorted(set(banned), key=len, reverse=True):
        loose = r"[\s-]+".join(re.escape(word) for word in words.split())
        pattern = re.compile(
            rf"(?:\b(?:no|not|without|never)\s+)?(?<![\w-]){loose}(?![\w-])", re.IGNORECASE
        )
        changes += [Change("banned", found.group()) for found in pattern.finditer(text)]
        text = pattern.sub("", text)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\s*,(?:\s*,)*", ",", text).strip(" ,")


def final_prompt(text: str, trigger: str) -> str:
    """*text* with *trigger* in it exactly once: put in front when absent, later ones taken out (R-5).

    A placeholder becomes the trigger, and so does the trigger in capitals or with a suffix stuck to
    it: a stored trigger with a timestamp behind it drew strangers.
    """
    return with_trigger(text, trigger).text


def with_trigger(text: str, trigger: str) -> CleanedPrompt:
    """`final_prompt`, with what stood in the trigger's place where it was not the trigger itself."""
    text = re.sub(r"\{trigger\}|\[(?:trigger|name)\]", trigger, text, flags=re.IGNORECASE)
    # A trigger of ours is no part of a word. One made elsewhere may be ("TOK" in "token"): there only
    # a suffix that a person or a program stuck to it counts, never more letters.
    suffix = r"[A-Za-z0-9_-]*" if is_valid_trigger(trigger) else r"(?:[_-]?\d[\w-]*)?(?![\w-])"
    stale = re.compile(rf"(?<![A-Za-z0-9]){re.escape(trigger)}{suffix}", re.IGNORECASE)
    changes = tuple(
        Change("trigger", found.group())
        for place, found in enumerate(stale.finditer(text))
        if place or found.group() != trigger
    )
    first = stale.search(text)
    if first is None:
        text = f"{trigger} {text}"
    else:
        text = text[: first.start()] + trigger + stale.sub("", text[first.end() :])
    text = re.sub(r"\s+", " ", text)
    return CleanedPrompt(re.sub(r"(?:\s*,)+", ",", text).strip(" ,"), changes)


def fill(template: str, *, trigger: str, kind: str) -> str:
    """A preview's prompt for one subject: ``{trigger}`` and ``{noun}`` filled in."""
    return final_prompt(template.replace("{noun}", noun_of(kind)), trigger)


def _unspan(line: str) -> str:
    line = _LINK.sub(r"\1", line)
    while (bare := _SPAN.sub(r"\2", line)) != line:
        line = bare
    return line
