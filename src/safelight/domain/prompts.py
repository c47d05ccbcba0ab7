"""Prompts: what leaks into them is taken out, and the version's own trigger is put in exactly once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from safelight.domain.captions import noun_of
from safelight.domain.leaks import leaks_in
from safelight.domain.nouns import SubjectKind
from safelight.domain.roles import unwrapped, without_roles
from safelight.domain.triggers import is_valid_trigger

MAX_PROMPT = 4000
"""Characters; the text encoder reads 512 tokens, which is about half of it."""

_LABEL = re.compile(
    r"(?:final |image |flux |positive |revised |optimi[sz]ed )?prompt\s*:\s*", re.IGNORECASE
)
_FENCE = re.compile(r"^\s*(?:```|~~~).*$")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
_BLOCK_MARK = re.compile(r"^\s*(?:(?:#{1,6}|>|[-*+•]|\d+[.)])\s+)+")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_SPAN = re.compile(r"\*{1,3}|_{2,3}|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)|~~|`+")
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
"""Characters that nobody sees and that part a word: soft hyphens, zero width spaces, bidi controls."""


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

MAX_LAYERS = 8
"""Marks within marks within marks: past this nobody means a prompt."""

_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>|<!--[^<>]*-->", re.IGNORECASE)
_WRAPPED = re.compile(r"(\byou(?:'re| are)(?: an?| the)?)[ \t]*\n[ \t]*(?=\w)", re.IGNORECASE)
"""A sentence that goes on in the next line."""
_WEIGHT = re.compile(r"\(([^():]+):\s*\d+(?:\.\d+)?\)")


@dataclass(frozen=True, slots=True)
class Change:
    """One change made to a prompt: its kind, and the text taken out or put in.

    Kinds: `system-text`, `markdown`, `label`, `json`, `weight`, `invisible`, `banned` and `trigger` are taken
    out, `added` is put in.
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
    return (*MAGIC, *(() if kind == SubjectKind.CHARACTER else RETOUCHED), *more)


def clean_prompt(
    text: str, *, banned: Iterable[str] = (), add: Iterable[str] = ()
) -> CleanedPrompt:
    """*text* without markdown, without what was meant for a language model (R-69) and without *banned*
    words; *add* is put behind it unless it says so already (R-70). The time it takes goes with its
    length."""
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
        if not line.strip():
            continue
        if _FENCE.match(line) or _RULE.match(line):
            changes.append(Change("markdown", line.strip()))
            continue
        mark = _BLOCK_MARK.match(line)
        rest = line[mark.end() :] if mark else line
        bare, spans = _unspan(_LINK.sub(r"\1", rest))
        bare = re.sub(r"\s+", " ", bare).strip()
        leaks = leaks_in(bare)
        if leaks == [(0, len(bare))]:
            changes.append(Change("system-text", line.strip()))
            continue
        if mark:
            changes.append(Change("markdown", mark.group().strip()))
        changes += [Change("markdown", span) for span in spans]
        if leaks:
            bare = _cut(bare, leaks, changes)
        if label := _LABEL.match(bare):
            changes.append(Change("label", label.group().strip()))
            bare = bare[label.end() :]
        if bare:
            kept.append(bare.rstrip(","))
    return _without(", ".join(kept), banned, changes)


_LEFT_EMPTY = re.compile(r"\"\s*\"|“\s*”|«\s*»|\(\s*\)|\[\s*\]|\{\s*\}|(?<!\w)'\s*'(?!\w)")


def _cut(line: str, leaks: list[tuple[int, int]], changes: list[Change]) -> str:
    """*line* without these parts, and without the brackets and signs that held nothing else."""
    kept, place = "", 0
    for start, end in leaks:
        changes.append(Change("system-text", line[start:end].strip()))
        kept += line[place:start]
        place = end
    kept = _LEFT_EMPTY.sub("", kept + line[place:])
    return re.sub(r"\s+", " ", kept).strip().rstrip(" ,;:-–—").lstrip(" ,;:.!?")


def _unwrapped(text: str, changes: list[Change]) -> str:
    """The prompt out of what a language model wrapped it in; what nobody sees, thoughts and tags go."""
    if _INVISIBLE.search(text):
        changes.append(Change("invisible", f"{sum(map(len, _INVISIBLE.findall(text)))} characters"))
        text = _INVISIBLE.sub("", text)
    text, keys = unwrapped(text)
    if keys is not None:
        changes.append(Change("json", keys))
    text = _WRAPPED.sub(r"\1 ", text.replace("\\n", "\n"))
    text, removed = without_roles(text)
    changes += [Change("system-text", part) for part in removed]
    changes += [Change("markdown", found.group()) for found in _TAG.finditer(text)]
    text = _TAG.sub(" ", text)
    changes += [Change("weight", found.group()) for found in _WEIGHT.finditer(text)]
    return _WEIGHT.sub(r"\1", text)


def _without(text: str, banned: tuple[str, ...], changes: list[Change]) -> str:
    """*text* without the banned words, longest first, hyphen or space alike; 'no' before one goes too,
    since the drawing model reads the word and not the denial."""
    if banned:
        pattern = _any_of(banned)
        changes += [Change("banned", found.group()) for found in pattern.finditer(text)]
        text = pattern.sub("", text)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"\s*,(?:\s*,)*", ",", text).strip(" ,")


@lru_cache(maxsize=64)
def _any_of(banned: tuple[str, ...]) -> re.Pattern[str]:
    loose = (
        r"[\s-]+".join(re.escape(word) for word in words.split())
        for words in sorted(set(banned), key=len, reverse=True)
    )
    return re.compile(
        rf"(?:\b(?:no|not|without|never)\s+)?(?<![\w-])(?:{'|'.join(loose)})(?![\w-])",
        re.IGNORECASE,
    )


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


def _unspan(line: str) -> tuple[str, list[str]]:
    """*line* without marks that stand in pairs around words (bold, italic, struck, code), and those marks."""
    opened: list[re.Match[str]] = []
    places: dict[str, list[int]] = {}
    pairs: list[tuple[re.Match[str], re.Match[str]]] = []
    for mark in _SPAN.finditer(line):
        same = places.setdefault(mark[0], [])
        closes = mark.start() > 0 and not line[mark.start() - 1].isspace()
        if closes and same and opened[same[-1]].end() < mark.start():
            first = same[-1]
            pairs.append((opened[first], mark))
            for inner in opened[first:]:
                places[inner[0]].pop()
            del opened[first:]
        elif mark.end() < len(line) and not line[mark.end()].isspace():
            same.append(len(opened))
            opened.append(mark)
    kept, place = "", 0
    for start, end in sorted(mark.span() for pair in pairs for mark in pair):
        kept += line[place:start]
        place = end
    pairs.sort(key=lambda pair: pair[0].start())
    return kept + line[place:], [first[0] for first, _ in pairs]
