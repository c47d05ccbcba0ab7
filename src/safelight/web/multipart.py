"""Files out of a `multipart/form-data` body, written to disk as they come and stopped at their limit.

Starlette's own parser knows no limit for a file: it would take all of a request before a route
could refuse it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from safelight import scratch
from safelight.domain.errors import Invalid
from safelight.domain.formats import spoken
from safelight.domain.texts import shown
from safelight.flow.commands.photos import MAX_PHOTO_BYTES
from safelight.web.access import Who
from safelight.web.filenames import decoded, file_name
from safelight.web.problems import TooLarge
from safelight.web.requests import unlimited

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILES = 100
"""Files in one request: more than a profile's soft maximum, few enough to be sent again."""
MAX_BYTES = 1024**3
"""Of one request, all its files together."""
MAX_FIELDS = 20
"""Plain fields beside the files; Safelight reads one of them, `caption`."""
MAX_FIELD_BYTES = 8 * 1024
"""The longest caption there may be, in the widest script."""
MAX_HEADER_BYTES = 8 * 1024
"""One header of a part (there are at most eight); a name of 255 bytes takes 800 in its longest spelling."""
MAX_PREAMBLE_BYTES = 64 * 1024
"""Before the first part begins: mail clients wrote a line there, browsers nothing."""
MAX_BOUNDARY = 200
"""RFC 2046 allows 70."""
_HINT = "Send the photos as files: `curl -F file=@photo.jpg -F file=@other.jpg ...`."


@dataclass(slots=True)
class Received:
    """One file as it came: `name` is the sender's and never used as a path."""

    name: str
    path: Path
    bytes: int = 0


@dataclass(slots=True)
class Form:
    """The files, and the plain fields beside them."""

    files: list[Received] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Takes the parser's callbacks. Chunks arrive in order; one part is open at a time."""

    def __init__(self, folder: Path, form: Form) -> None:
        self._folder = folder
        self._form = form
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._seen = 0
        self._parts = 0
        self._file: BinaryIO | None = None
        self._nameless = False
        self._field = ""
        self._text = b""
        self.ended = False

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begins,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_ends,
            "on_headers_finished": self._headers_end,
            "on_part_data": self._data,
            "on_part_end": self._part_ends,
            "on_end": self._ends,
        }

    def takes(self, size: int) -> None:
        """So many bytes more came. Raises TooLarge past what one request carries."""
        self._seen += size
        if self._seen > MAX_BYTES:
            raise TooLarge(
                f"One request carries at most {MAX_BYTES // 1024**2:,} MiB.", hint="Send several."
            )

    def took(self) -> None:
        """The parser has seen them. Raises Invalid where no part has begun long since."""
        if self._parts == 0 and self._seen > MAX_PREAMBLE_BYTES:
            raise Invalid(
                f"No part of the form begins within {MAX_PREAMBLE_BYTES:,} bytes.", hint=_HINT
            )

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MAX_FILES + MAX_FIELDS:
            raise TooLarge(f"A form has at most {MAX_FILES} files and {MAX_FIELDS} fields.")
        self._headers = {}
        self._text = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_end(self) -> None:
        disposition = self._headers.get(b"content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data":
            raise Invalid("A part of the form says no Content-Disposition: form-data.", hint=_HINT)
        self._field = decoded(options.get(b"name", b""))
        name = file_name(disposition, options)
        self._nameless = name == ""
        if name is None:
            if len(self._form.fields) == MAX_FIELDS:
                raise TooLarge(f"A form has at most {MAX_FIELDS} fields beside its files.")
            return
        if len(self._form.files) == MAX_FILES:
            raise TooLarge(f"One request carries at most {MAX_FILES} files.", hint="Send several.")
        path = self._folder / str(len(self._form.files))
        self._form.files.append(Received(name, path))
        self._file = path.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            if len(self._text) > MAX_FIELD_BYTES:
                field = shown(self._field, most=40)
                raise TooLarge(f"The field '{field}' is over {MAX_FIELD_BYTES:,} bytes.")
            return
        receiving = self._form.files[-1]
        receiving.bytes += end - start
        if receiving.bytes > MAX_PHOTO_BYTES:
            raise TooLarge(
                f"{shown(receiving.name, most=80)}: a photo has at most {MAX_PHOTO_BYTES:,} bytes.",
                hint="Send the photo as the camera or phone made it.",
            )
        self._file.write(data[start:end])

    def _part_ends(self) -> None:
        if self._file is None:
            if self._field in self._form.fields:
                raise Invalid(f"The field '{shown(self._field, most=40)}' is sent twice.")
            self._form.fields[self._field] = decoded(self._text)
        self.close()
        if self._nameless:
            # What a browser sends for a file input that was left empty has neither name nor bytes.
            if self._form.files.pop().bytes:
                raise Invalid("A file of the form has no name.", hint='Say filename="photo.jpg".')
            self._nameless = False

    def _ends(self) -> None:
        self.ended = True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


async def received(request: Request, who: Who) -> AsyncIterator[Form]:  # noqa: ARG001 (the key comes first: nobody else's bytes are taken)
    """The form of the request, its files in a folder that is gone with the request.

    Raises:
        Invalid: it is no form, it is broken, it has no file, or one of them is empty.
        TooLarge: a file over 50 MiB, or more files, fields or bytes than one request carries.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Invalid("The body is not multipart/form-data.", hint=_HINT)
    if len(boundary) > MAX_BOUNDARY:
        raise Invalid(f"A boundary has at most {MAX_BOUNDARY} characters; not {len(boundary):,}.")
    unlimited(request.scope)
    form = Form()
    stack = ExitStack()
    reader = _Reader(stack.enter_context(scratch.folder()), form)
    try:
        try:
            parser = MultipartParser(boundary, reader.callbacks(), max_header_size=MAX_HEADER_BYTES)
            async for chunk in request.stream():
                reader.takes(len(chunk))
                await run_in_threadpool(parser.write, chunk)
                reader.took()
        except FormParserError as error:
            raise Invalid(f"The form cannot be read: {error}.", hint=_HINT) from error
        except ClientDisconnect as error:
            raise Invalid("The connection ended before the form did.") from error
        reader.close()
        if not reader.ended:
            raise Invalid("The form ends in the middle.", hint=_HINT)
        if not form.files:
            raise Invalid("The form has no file.", hint=_HINT)
        for file in form.files:
            if file.bytes == 0:
                raise Invalid(f"{shown(file.name, most=80)} is empty.", hint="Nothing was stored.")
        yield form
    finally:
        reader.close()
        await run_in_threadpool(stack.close)


Files = Annotated[Form, Depends(received)]

SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "minItems": 1,
                            "maxItems": MAX_FILES,
                            "description": f"One part a photo ({spoken()}), each at most 50 MiB.",
                        },
                        "caption": {
                            "type": "string",
                            "maxLength": 2000,
                            "description": "What the photo shows, where a single one is sent.",
                        },
                    },
                }
            }
        },
    }
}
"""What OpenAPI says of such a body: it cannot be read off the route, which parses it itself."""
