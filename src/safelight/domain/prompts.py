"""Prompts: what leaks into them is taken out, and the version's own trigger is put in exactly once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from safelight.domain.captions import noun_of

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


@dataclass(frozen=True, slots=True)
class CleanedPrompt:
    """A prompt after cleaning, and what was taken out of it, for the record."""

    text: str
    removed: tuple[str, ...] = ()


def clean_prompt(text: str) -> CleanedPrompt:
    """*text* without markdown marks and without lines meant for a language model (R-69)."""
    kept: list[str] = []
    removed: list[str] = []
    for line in text.splitlines():
        mark = _BLOCK_MARK.match(line)
        bare = line[mark.end() :] if mark else line
        label = _LABEL.match(_unspan(bare))
        bare = _unspan(bare)[label.end() :] if label else _unspan(bare)
        bare = re.sub(r"\s+", " ", bare).strip()
        if not line.strip():
            continue
        if _FENCE.match(line) or _RULE.match(line) or _LEAK.match(bare):
            removed.append(line.strip())
            continue
        if mark:
            removed.append(mark.group().strip())
        if label:
            removed.append(label.group().strip())
        removed += [span.group(1) for span in _SPAN.finditer(line[mark.end() if mark else 0 :])]
        if bare:
            kept.append(bare.rstrip(","))
    return CleanedPrompt(", ".join(kept), tuple(removed))


def final_prompt(text: str, trigger: str) -> str:
    """*text* with *trigger* in it exactly once: put in front when absent, later ones taken out (R-5).

    A placeholder becomes the trigger, and so does the trigger in capitals or with a suffix stuck to
    it: a stored trigger with a timestamp behind it drew strangers.
    """
    text = re.sub(r"\{trigger\}|\[(?:trigger|name)\]", trigger, text, flags=re.IGNORECASE)
    stale = re.compile(rf"(?<![A-Za-z0-9]){re.escape(trigger)}[A-Za-z0-9_-]*", re.IGNORECASE)
    first = stale.search(text)
    if first is None:
        text = f"{trigger} {text}"
    else:
        text = text[: first.start()] + trigger + stale.sub("", text[first.end() :])
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"(?:\s*,)+", ",", text).strip(" ,")


def fill(template: str, *, trigger: str, kind: str) -> str:
    """A preview's prompt for one subject: ``{trigger}`` and ``{noun}`` filled in."""
    return final_prompt(template.replace("{noun}", noun_of(kind)), trigger)


def _unspan(line: str) -> str:
    line = _LINK.sub(r"\1", line)
    while (bare := _SPAN.sub(r"\2", line)) != line:
        line = bare
    return line
