"""Caption files as other tools leave them beside a photo: which are one, and what is in them.

A caption that is read wrong is trained on without a word, so what is not surely read is refused with the
reason. ai-toolkit and OneTrainer read `.txt`, sd-scripts `.caption` unless told otherwise, older captioning
tools write `.cap`; some name the whole photo (`photo.jpg.txt`).
"""

from __future__ import annotations

import codecs
import re

from safelight.domain.captions import MAX_CAPTION
from safelight.domain.errors import Invalid

CAPTION_ENDINGS = (".txt", ".caption", ".cap")
"""In lower case; of two files for one photo the one that comes first here counts."""
MAX_CAPTION_BYTES = 16 * 1024
"""Of a file: `MAX_CAPTION` characters in any encoding, and white space."""

SAVE_AS = "Save it as UTF-8."

_BOMS = (  # the longer ones first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32-LE"),
    (codecs.BOM_UTF32_BE, "UTF-32-BE"),
    (codecs.BOM_UTF16_LE, "UTF-16-LE"),
    (codecs.BOM_UTF16_BE, "UTF-16-BE"),
)
_LINE_END = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_UNREADABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff]")


def decode_caption(data: bytes) -> str:
    """The caption in a file: UTF-8, UTF-16 or UTF-32, with a mark or UTF-16 without one, or Windows-1252.

    Its lines are stripped and empty ones are gone; '' where nothing is left. How lines become one is the
    trainer's rule (`captions.normalise`).

    Raises:
        Invalid: it is too long, or in no encoding that can be told for sure; the message says which, and
            follows a file's name ("it has ...").
    """
    if len(data) > MAX_CAPTION_BYTES:
        raise too_long(len(data))
    lines = (" ".join(line.split()) for line in _LINE_END.split(_decoded(data)))
    text = "\n".join(line for line in lines if line)
    if found := _UNREADABLE.search(text):
        raise Invalid(f"it has a character that no caption has (U+{ord(found[0]):04X}). {SAVE_AS}")
    if len(text) > MAX_CAPTION:
        raise Invalid(f"it has {len(text):,} characters; a caption has at most {MAX_CAPTION:,}")
    return text


def too_long(bytes: int) -> Invalid:
    """A file of so many bytes is no caption, whatever is in it."""
    return Invalid(f"it has {bytes:,} bytes; a caption's file has at most {MAX_CAPTION_BYTES:,}")


def _decoded(data: bytes) -> str:
    for mark, name in _BOMS:
        if data.startswith(mark):
            try:
                return data[len(mark) :].decode(name).lstrip("\ufeff")
            except UnicodeDecodeError:
                raise Invalid(f"it is marked as {name} and is none. {SAVE_AS}") from None
    if b"\x00" in data:
        return _of_two_bytes(data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return _windows(data)


def _of_two_bytes(data: bytes) -> str:
    """UTF-16 without a mark: of ASCII every second byte is NUL, and spaces are ASCII everywhere."""
    little = data[1::2].count(0) > data[0::2].count(0)
    try:
        return data.decode("UTF-16-LE" if little else "UTF-16-BE")
    except UnicodeDecodeError:
        raise Invalid(f"it holds NUL characters and is no UTF-16. {SAVE_AS}") from None


_ALPHABETS = (
    "àâæçèéêëîïôœùûüÿ",  # French
    "äöüßé",  # German
    "áéíñóúü",  # Spanish
    "àáâãçéêíóôõúü",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "áäèéëïóöúü",  # Dutch
    "àåæéäöøü",  # Danish, Finnish, Norwegian, Swedish
    "àçèéíïòóúü·",  # Catalan
)
_LETTERS = "".join(sorted(set("".join(_ALPHABETS)) - {"·"}))
_LETTERS += _LETTERS.upper().replace("SS", "")
_WORD = re.compile(rf"[A-Za-z{_LETTERS}·]+")
_ALONE = re.compile(r"(?<![^\s!-@\[-`{-~])[àéèóòöåæyÀÉÈÓÒÖÅÆ](?![^\s!-@\[-`{-~])")
"""Words of one such letter: beside it are space and ASCII signs."""
_SIGNS = re.compile(
    r"(?<=\w)’|(?<![^\s(\[-])’(?=\d)|(?<![^\s(\[])‘(?=\w)"  # it's, dogs', '90s, 'so'
    r"|(?<![^\s(\[‘«„/—–-])[“„](?=\S)|(?<=\S)[”“](?![^\s.,;:!?)\]’/—–-])"  # opens, closes
    r"|(?<![^\s(\[])«(?=[\s\w])|(?<=[\s\w.,!?])»(?![^\s.,;:!?)\]])"
    r"|(?<=\w)[–—](?=[\w\s”’\"'])|(?<!\S)[–—](?=\s)|…|(?<!\S)[•·](?=\s)"
    r"|(?<=[\w)])[®™©°²³ªº](?!\w)|°(?=a\b)|(?<=\d)\s?[€£¢±×](?!\w)|(?<!\w)[€£©](?=\s?\d)"
    r"|(?<![^\s(])[¡¿](?=\w)|(?<!\w)[¼½¾](?!\w)|(?<=\d)[¼½¾]|(?<=\d)[±×](?=\d)|\xa0"
)
"""Signs beyond ASCII where a writer of a Western language puts them; every letter is an 'a' here."""


def _windows(data: bytes) -> str:
    """Windows-1252 (and with it Latin-1), if it reads as text of one Western language.

    Any bytes can be taken for it, Shift-JIS and Cyrillic too: a caption of theirs would be trained on as
    'ƒJƒ‰'. So words have to be words (mostly ASCII, letters of one alphabet) and signs to stand where
    signs stand.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    if not text or not _reads_as_western(text):
        raise Invalid(f"it is not UTF-8, not UTF-16, and does not read as Windows-1252. {SAVE_AS}")
    return text


def _reads_as_western(text: str) -> bool:
    foreign = {char for char in text.lower() if char.isalpha() and not char.isascii()}
    if not any(foreign <= set(alphabet) for alphabet in _ALPHABETS):
        return False
    text = _ALONE.sub("a", text)
    if not all(map(_is_word, _WORD.findall(text))):
        return False
    left = _SIGNS.sub("", _WORD.sub(lambda word: "a" * len(word[0]), text))
    quotes = sum(map(text.count, "“”„"))
    return left.isascii() and quotes % 2 == 0 and text.count("«") == text.count("»")


def _is_word(word: str) -> bool:
    """Mostly of ASCII, two other letters in a row at most, capitals in front or throughout."""
    beyond = [len(part) for part in re.findall(r"[^\x00-\x7f]+", word)]
    if not beyond:
        return True
    cased = word[1:].islower() or word.isupper() or len(word) == 1
    return cased and max(beyond) < 3 and 3 * sum(beyond) <= 2 * len(word)
