"""Caption files as tools and people leave them, in any encoding: a caption, or an error with a name."""

from __future__ import annotations

import codecs
import random
from pathlib import Path

from benchmarks.mutants.changes import TEXTS, bytes_changed
from safelight.domain.caption_files import decode_caption
from safelight.domain.captions import caption_for

ENCODINGS = (
    "utf-8",
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "latin-1",
    "utf-7",
    "cp932",
)
MARKS = (b"", b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE)
WORDS = (
    "photo of TOK",
    "[trigger] at the sea",
    "laughing, on the beach",
    "Grüße aus Köln",
    "café – “rosé”",
    "日本",
)


def mutant(source: random.Random) -> bytes:
    """A caption."""
    words = [source.choice((*WORDS, *WORDS, *TEXTS)) for _ in range(source.choice((0, 1, 3, 300)))]
    text = source.choice((", ", "\n", "\r\n", "\r", "\x85", " ")).join(words)
    data = source.choice(MARKS) + text.encode(source.choice(ENCODINGS), "replace")
    return bytes_changed(data, source) if source.random() < 0.4 else data


def read(path: Path) -> str:
    """As a folder of photos is read, to the line that is trained on."""
    found = decode_caption(path.read_bytes())
    line = caption_for("TOK", "person", found)
    line.encode()
    assert "\n" not in line
    assert "TOK" in line
    return "a caption" if found else "none"
