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
from safelight.flow.commands.subjects import MAX_PHOTO_BYTES
from safelight.web.access import Who
from safelight.web.problems import TooLarge
from safelight.web.requests import unlimited

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_FILES = 100
"""Files in one request: more than a profile's soft maximum, few enough to be sent again."""
_MAX_FIELD = 4096
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
        self._file: BinaryIO | None = None
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

    def _part_begins(self) -> None:
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
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data":
            raise Invalid("A part of the form says no Content-Disposition: form-data.", hint=_HINT)
        self._field = _text(options.get(b"name", b""))
        if b"filename" not in options:
            return
        if len(self._form.files) == MAX_FILES:
            raise TooLarge(f"One request carries at most {MAX_FILES} files.", hint="Send several.")
        path = self._folder / str(len(self._form.files))
        self._form.files.append(Received(_text(options[b"filename"]), path))
        self._file = path.open("wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            if len(self._text) > _MAX_FIELD:
                raise TooLarge(f"The field {self._field!r} is over {_MAX_FIELD:,} bytes.")
            return
        receiving = self._form.files[-1]
        receiving.bytes += end - start
        if receiving.bytes > MAX_PHOTO_BYTES:
            raise TooLarge(
                f"{receiving.name}: a photo has at most {MAX_PHOTO_BYTES:,} bytes.",
                hint="Send the photo as the camera or phone made it.",
            )
        self._file.write(data[start:end])

    def _part_ends(self) -> None:
        if self._file is None:
            self._form.fields[self._field] = _text(self._text)
        self.close()

    def _ends(self) -> None:
        self.ended = True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _text(data: bytes) -> str:
    """Names are UTF-8 today; older clients send Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


async def received(request: Request, who: Who) -> AsyncIterator[Form]:  # noqa: ARG001 (the key comes first: nobody else's bytes are taken)
    """The form of the request, its files in a folder that is gone with the request.

    Raises:
        Invalid: it is no form, it is broken, it has no file, or one of them is empty.
        TooLarge: a file over 50 MiB, or more files than one request carries.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Invalid("The body is not multipart/form-data.", hint=_HINT)
    unlimited(request.scope)
    form = Form()
    stack = ExitStack()
    reader = _Reader(stack.enter_context(scratch.folder()), form)
    try:
        try:
            parser = MultipartParser(boundary, reader.callbacks())
            async for chunk in request.stream():
                await run_in_threadpool(parser.write, chunk)
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
                raise Invalid(f"{file.name or 'A file'} is empty.", hint="Nothing was stored.")
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
                            "maxItems": MAX_FILES,
                            "description": f"One part a photo ({spoken()}), each at most 50 MiB.",
                        },
                        "caption": {
                            "type": "string",
                            "description": "What the photo shows, where a single one is sent.",
                        },
                    },
                }
            }
        },
    }
}
"""What OpenAPI says of such a body: it cannot be read off the route, which parses it itself."""
