"""Caption files in the encodings that other tools leave: read for sure, or refused with the reason."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.domain.caption_files import MAX_CAPTION_BYTES, decode_caption
from safelight.domain.captions import MAX_CAPTION, caption_for
from safelight.domain.errors import Invalid

WESTERN = (
    "[trigger] says “hello” on a pier",
    "“She’s here,” he said—twice. Dogs’ park – sunny…",
    "it’s Maya’s boat in the ’90s, a ‘so-called’ yacht",
    "café, crème brûlée, à la plage où il a été créée, l’été",
    "„Hallo“ sagt sie, Straße, Öl, größe",
    "él está en la cocina, ¿qué? ¡hola!",
    "coração, não, é bonita",
    "smörgåsbord på en ö",
    "Zoë at the naïve café, 20 °C, 30° angle, jacket®, 50 € price, ½ body",
    "garçon «bonjour» là, œuvre au cœur, ÉTÉ",
)
FOREIGN = (
    ("海の桟橋で手を振る", "shift_jis"),
    ("a 猫 on a pier", "shift_jis"),
    ("a 本 b", "shift_jis"),
    ("a 海 b", "shift_jis"),
    ("カラ", "shift_jis"),
    ("猫が", "euc_jp"),
    ("一只猫在码头", "gbk"),
    ("貓在碼頭", "big5"),
    ("고양이", "euc_kr"),
    ("человек на пирсе", "cp1251"),
    ("человек", "koi8-r"),
    ("άνθρωπος στην", "cp1253"),
    ("długi płaszcz", "cp1250"),
    ("dívčí šaty", "cp1250"),
    ("ışık şehir", "cp1254"),
    ("שלום", "cp1255"),
    ("مرحبا", "cp1256"),
    ("says “hello”", "mac_roman"),
    ("café", "cp437"),
)


@pytest.mark.parametrize("text", WESTERN)
def test_windows_1252_is_read_where_it_reads_as_a_western_language(text: str) -> None:
    assert decode_caption(text.encode("cp1252")) == text
    assert decode_caption(text.encode()) == text


@pytest.mark.parametrize(("text", "encoding"), FOREIGN)
def test_another_encoding_is_refused_and_not_trained_on_as_nonsense(
    text: str, encoding: str
) -> None:
    with pytest.raises(Invalid, match=r"does not read as Windows-1252.* UTF-8"):
        decode_caption(text.encode(encoding))
    assert decode_caption(text.encode()) == text


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
@pytest.mark.parametrize("text", ["waving on a pier", "手を振る on a pier 👩‍🚀"])
def test_unicode_is_read_in_every_form_with_a_mark_or_without(text: str, encoding: str) -> None:
    assert decode_caption(text.encode(encoding)) == text
    assert decode_caption(f"\ufeff{text}\r\n".encode(encoding)) == text


def test_lines_are_kept_for_the_trainers_rule_and_empty_ones_go() -> None:
    text = decode_caption(b"[trigger]  waving \r\n\r\n\ton a pier\x0b\r in red\n\n")
    assert text == "[trigger] waving\non a pier\nin red"
    assert caption_for("slqk2", "person", text) == "slqk2 waving, on a pier, in red"


@pytest.mark.parametrize(
    "data", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xff\xfe", b"\xff\xfe\r\x00\n\x00"]
)
def test_nothing_in_it_is_no_caption_and_no_fault(data: bytes) -> None:
    assert decode_caption(data) == ""


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a\x00b", "no UTF-16"),
        ("hi there".encode("utf-32-le"), r"U\+0000"),
        (b"\xff\xfea", "marked as UTF-16-LE and is none"),
        (b"\xef\xbb\xbf\xe9", "marked as UTF-8 and is none"),
        (b"\xff\xfe\x3d\xd8 \x00", "marked as UTF-16-LE and is none"),
        (b"a\x1b[2Jb", r"U\+001B"),
        (b"a\x08b", r"U\+0008"),
        ("a\x9bb".encode(), r"U\+009B"),
        ("says \ufffdhello\ufffd".encode(), r"U\+FFFD"),
        (b"x" * (MAX_CAPTION + 1), "2,001 characters; a caption has at most 2,000"),
        (b"x" * 10_000_000, "10,000,000 bytes; a caption's file has at most 16,384"),
    ],
)
def test_what_is_no_caption_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        decode_caption(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_caption_or_a_named_fault(data: bytes) -> None:
    try:
        text = decode_caption(data)
    except Invalid:
        return
    assert "\x00" not in text
    assert text == text.strip()
    text.encode()


@pytest.mark.parametrize("part", ["“”", "’a ", "éa", "– —", "…", "° ", "\xa0", "«» a", "é", "a"])
def test_the_time_it_takes_goes_with_the_length(part: str) -> None:
    def took(length: int) -> float:
        data = (part * length).encode("cp1252")[:length]
        started = time.process_time()
        for _ in range(3):
            with contextlib.suppress(Invalid):
                decode_caption(data)
        return time.process_time() - started

    short, long = (
        min(took(length) for _ in range(3))
        for length in (MAX_CAPTION_BYTES // 8, MAX_CAPTION_BYTES)
    )
    assert long < 40 * short + 0.05
