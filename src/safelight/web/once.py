"""`Idempotency-Key`: a creation that is asked for twice happens once, and is answered the same.

The answer is stored in the transaction that makes the thing, so a crash leaves both or neither.
While the first request runs, an advisory lock of its transaction holds the key: a second one is
told so (409) and does not wait. A refused request leaves nothing behind, so the same key may be
sent again once the reason is mended.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from safelight.db import owners
from safelight.db.transaction import Row, Tx
from safelight.domain.errors import Conflict, Invalid
from safelight.web.access import Cx, Who
from safelight.web.requests import note

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class KeyInUse(Conflict):
    """The first request with this Idempotency-Key has not been answered yet."""

    code = "idempotency-key-in-use"


class KeyReused(Invalid):
    """This Idempotency-Key was sent with another request."""

    code = "idempotency-key-reused"


class Once:
    """Makes things, once a key. A dependency of every route that creates."""

    def __init__(
        self,
        request: Request,
        cx: Cx,
        who: Who,
        idempotency_key: Annotated[
            str | None,
            Header(
                description="Any text of yours, up to 255 visible characters. For a day, the same "
                "key with the same request gets the same answer and makes nothing new.",
                examples=["order-4711"],
            ),
        ] = None,
    ) -> None:
        if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
            raise Invalid(
                "An Idempotency-Key has 1 to 255 visible ASCII characters.",
                hint="A UUID will do.",
            )
        self._request = request
        self._cx = cx
        self._owner_id = who.owner_id
        self._key = idempotency_key

    def __call__(
        self,
        asked: BaseModel,
        make: Callable[[Tx], tuple[BaseModel, str]],
        *,
        status: int,
        show: Callable[[str], BaseModel] | None = None,
    ) -> Response:
        """Answer with what *make* makes (and the path where it is), or with the answer of before.

        *show*: what is made and kept (as JSON) is not what is answered, but what this makes of it each
        time, once nothing is open: for answers that hold a link, which is a secret and ends.

        Raises:
            KeyInUse, KeyReused; and whatever *make* and *show* raise.
        """
        kept, replayed = self._kept(asked, make, status)
        if replayed:
            note(self._request.scope, replayed=True)
            status = kept["status"]
        body = kept["body"] if show is None else show(kept["body"]).model_dump_json()
        headers = {"Location": kept["location"]}
        if replayed:
            headers["Idempotent-Replay"] = "true"
        return Response(body, status, headers, "application/json")

    def _kept(
        self, asked: BaseModel, make: Callable[[Tx], tuple[BaseModel, str]], status: int
    ) -> tuple[dict[str, Any], bool]:
        """What is kept of the answer, and whether it is that of before."""
        with self._cx.db.transaction() as tx:
            if self._key is not None:
                before = self._take(tx, self._key, self._hash(asked))
                if before is not None:
                    return {**before["response"], "status": before["status"]}, True
            made, location = make(tx)
            kept = {"body": made.model_dump_json(), "location": location}
            if self._key is not None:
                owners.answer_idempotency_key(tx, self._owner_id, self._key, status, kept)
        return kept, False

    def _take(self, tx: Tx, key: str, asked: bytes) -> Row | None:
        """None: the key is ours now; else the answer of before."""
        if not owners.lock_idempotency_key(tx, self._owner_id, key):
            raise KeyInUse(
                f"The first request with the Idempotency-Key {key!r} is still running.",
                hint="Send it again in a moment: the answer will be the first one's.",
            )
        if owners.take_idempotency_key(tx, self._owner_id, key, asked):
            return None
        before = owners.get_idempotency_key(tx, self._owner_id, key)
        assert before is not None  # not taken because it is there, and locked
        if bytes(before["request_hash"]) != asked:
            raise KeyReused(
                f"The Idempotency-Key {key!r} was sent with another request within a day.",
                hint="A new request needs a new key.",
            )
        return before

    def _hash(self, asked: BaseModel) -> bytes:
        """What was asked, whatever the order of its members and the spaces between them."""
        body: Any = asked.model_dump(mode="json", exclude_unset=True)
        said = [self._request.method, self._request.url.path, body]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()


Creates = Annotated[Once, Depends()]
