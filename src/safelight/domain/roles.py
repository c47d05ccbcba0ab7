"""The wrapping that a language model's words come in: JSON, thoughts, and who said what to whom."""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 20
"""Brackets in brackets: past this nobody means a prompt, and what reads JSON would run out of stack."""

_WANTED = (
    "prompt", "image_prompt", "positive_prompt", "final_prompt", "positive", "text", "description", "caption",
)  # fmt: skip
_NOT_SHOWN = re.compile(
    r"system|persona|role|instruct|negative|model|seed|developer|thought|reason|note|name|id$|type",
    re.IGNORECASE,
)
_FENCED = re.compile(
    r"\s*(?:```|~~~)(?:json)?\s*\n?(?P<inside>[\[{].*[\]}])\s*(?:```|~~~)\s*", re.DOTALL
)


def unwrapped(text: str) -> tuple[str, str | None]:
    """The prompt out of the JSON that a language model put it in, and the keys that stood around it.

    A conversation's last user's or assistant's words; an object's prompt, or else its texts that are to be
    seen. What is no JSON, or is nested past `DEEPEST`, is left as it is.
    """
    fenced = _FENCED.fullmatch(text)
    inside = (fenced["inside"] if fenced else text).strip()
    if inside[:1] not in tuple("{[") or _depth(inside) > DEEPEST:
        return text, None
    try:
        found = json.loads(inside)
    except (ValueError, RecursionError):
        return text, None
    words = _prompt_in(found)
    if not words:
        return text, None
    keys = sorted(found) if isinstance(found, dict) else ["messages"]
    return words, ", ".join(keys)


def _depth(text: str) -> int:
    deepest = depth = 0
    for char in text:
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _prompt_in(found: Any) -> str:
    match found:
        case {"messages": list(messages)}:
            return _prompt_in(messages)
        case list():
            said = [
                one.get("content")
                for one in found
                if isinstance(one, dict) and one.get("role") in ("user", "assistant", "model")
            ]
            words = [text for text in said if isinstance(text, str)]
            return words[-1] if words else ""
        case {"role": str(role), "content": str(content)}:
            return content if role in ("user", "assistant", "model") else ""
        case dict():
            for name in _WANTED:
                if isinstance(found.get(name), str) and found[name].strip():
                    return str(found[name])
            return ", ".join(
                value
                for name, value in found.items()
                if isinstance(value, str) and value.strip() and not _NOT_SHOWN.search(name)
            )
    return ""


_UNSEEN = {"system", "developer", "instruction", "instructions", "persona", "role", "tool", "sys"}
"""Whose words are not to be seen; those of the others are what they asked for, or answered."""
_LABEL = (
    r"(?:system|developer|instructions?|persona|role|user|human|assistant|response|input|ai|bot)"
)
_MARK = re.compile(
    rf"<\|(?:im_start|start_header_id)\|>[ \t]*(?P<r1>\w*)(?:[ \t]*<\|end_header_id\|>)?"
    rf"|<\|(?P<r2>system|user|assistant|developer|tool)\|>"
    r"|(?P<end><\|[a-z_]{2,30}\|>|<end_of_turn>|</s>|<</SYS>>|\[/INST\]|\[INST\]|<s>"
    r"|</(?:system|developer|instructions?|persona|role)>)"
    r"|<start_of_turn>[ \t]*(?P<r3>\w*)|<<(?P<r4>SYS)>>|<(?P<r5>system|developer|instructions?|persona|role)>"
    rf"|(?:^[ \t]*|(?<=[.!?:])[ \t]+|(?=\#{{2,6}}))(?:\#{{1,6}}[ \t]*)?[*_]{{0,3}}(?P<r6>{_LABEL})"
    r"(?:[ \t]+(?:prompt|message|instructions?))?[*_]{0,3}[ \t]*:[*_]{0,3}",
    re.IGNORECASE | re.MULTILINE,
)
_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)


def without_roles(text: str) -> tuple[str, list[str]]:
    """*text* without thoughts, chat marks, and what the system, and not a person or an answer, said.

    What such a mark opens goes on to the next mark; where there is none, to the end of its line.
    """
    text, removed = _without_thoughts(text)
    kept, place = [], 0
    marks = list(_MARK.finditer(text))
    for number, mark in enumerate(marks):
        kept.append(text[place : mark.start()])
        role = next((r for name in ("r1", "r2", "r3", "r4", "r5", "r6") if (r := mark[name])), "")
        end = mark.end()
        if role.lower() in _UNSEEN:
            # A label alone, without who answers, is a heading: its own line is all that it says.
            last = number + 1 == len(marks)
            end = marks[number + 1].start() if not last else _line_end(text, mark.end())
        removed.append(text[mark.start() : end].strip())
        place = end
        kept.append("\n")
    kept.append(text[place:])
    return "".join(kept) if marks else text, removed


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _without_thoughts(text: str) -> tuple[str, list[str]]:
    """Without `<think>...</think>`; what comes before a lone `</think>` was a thought too."""
    removed: list[str] = []
    kept: list[str] = []
    place = opened = 0
    inside = False
    for tag in _THINK.finditer(text):
        if not tag[1]:
            if not inside:
                inside, opened = True, tag.start()
        elif inside or not removed:
            start = opened if inside else 0
            kept.append(text[place:start] if inside else "")
            removed.append(text[start : tag.end()])
            place, inside = tag.end(), False
    if not removed:
        return text, []
    return " ".join([*kept, text[place:]]), removed
