"""A photo's name, as browsers, mail libraries and phones write it into a form."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from python_multipart.multipart import parse_options_header

from safelight.domain.errors import Invalid
from safelight.web.filenames import file_name

NAME = "été 天狗.jpg"
STAR = b"filename*=utf-8''" + quote(NAME).encode()


def named(said: bytes) -> str | None:
    disposition = b'form-data; name="file"; ' + said
    return file_name(disposition, parse_options_header(disposition)[1])


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (b'filename="' + NAME.encode() + b'"', NAME),
        (b'filename="caf\xe9.jpg"', "café.jpg"),
        (b"filename=plain.jpg", "plain.jpg"),
        (STAR, NAME),
        (STAR.replace(b"filename*", b"FileName*").replace(b"utf-8", b"UTF-8"), NAME),
        (b"filename*=iso-8859-1'en'caf%e9.jpg", "café.jpg"),
        (b'filename="x.jpg"; ' + STAR, NAME),
        (STAR + b'; filename="x.jpg"', NAME),
        (b'filename="=?utf-8?B?w6l0w6kg5aSp54uXLmpwZw==?="', NAME),
        (b'filename="=?iso-8859-1?Q?caf=E9.jpg?="', "café.jpg"),
        (b'filename="=?utf-8?B?w6l0w6kg?= =?utf-8?B?5aSp54uXLmpwZw==?="', NAME),
        (b'filename="=?utf-8?B?w6k=?="; ' + STAR, NAME),
        (b'filename*0="a long "; filename*1="name.jpg"', "a long name.jpg"),
        (b"filename*0*=utf-8''%e2%82; filename*1*=%ac.jpg", "€.jpg"),
        (b'filename="a%22b.jpg"', 'a"b.jpg'),
        (b'filename="a\\"b.jpg"', 'a"b.jpg'),
        (b'filename="100%25.jpg"', "100%25.jpg"),
        (b'filename="=?no-such-charset?Q?x?="', "=?no-such-charset?Q?x?="),
        (b'filename=""', ""),
    ],
)
def test_a_name_is_read_in_the_dialect_it_was_written_in(said: bytes, name: str) -> None:
    assert named(said) == name


def test_a_part_without_a_file_name_is_a_field() -> None:
    assert named(b"") is None


@pytest.mark.parametrize("said", [b"filename*=", b"filename*=utf-8''"])
def test_a_name_that_cannot_be_read_is_refused_in_its_own_words(said: bytes) -> None:
    with pytest.raises(Invalid, match=r"filename\*"):
        named(said)


@pytest.mark.parametrize(
    "said",
    [
        b"filename*" * 900,
        b"filename*0*=" + b"%" * 8000,
        b'filename="=?' + b"?" * 7000,
        b"filename*=no-such-charset''x.jpg",
        b"filename*=utf-8''%00%ff.jpg",
        b'filename="=?utf-8?B?' + b"A" * 7000 + b'?="',
    ],
)
def test_a_hostile_name_is_a_name_or_refused(said: bytes) -> None:
    with contextlib.suppress(Invalid):
        assert isinstance(named(said), str | None)
