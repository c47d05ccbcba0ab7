"""Errors as the door answers them: `application/problem+json` (RFC 9457), each with a stable type."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from safelight import logging, scratch
from safelight.domain.errors import ProviderRefused, Retryable, SafelightError
from safelight.domain.texts import shown
from safelight.web.requests import request_id_of

log = logging.get(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5.0
"""What a 503 asks for where the other side did not say: a restart of a database takes seconds."""
MOST_OF_A_REASON = 500
"""Characters of what the provider says when it refuses."""


class Unauthorized(SafelightError):
    """The request is not authenticated."""

    code = "unauthorized"
    status = 401


class TooLarge(SafelightError):
    """The request is larger than this door takes."""

    code = "too-large"
    status = 413


class NotReady(Retryable):
    """Something this door stands on is away."""

    code = "not-ready"


class Busy(Retryable):
    """There are too many of these at once."""

    code = "busy"
    status = 429


class FieldProblem(BaseModel):
    """One field that is not as it should be."""

    field: str = Field(description="Where it is in the request.", examples=["body.kind"])
    message: str = Field(examples=["Input should be 'person', 'model' or 'character'"])


class Problem(BaseModel):
    """What every error looks like."""

    type: str = Field(
        description="A stable name for machines.", examples=["urn:safelight:problem:not-found"]
    )
    title: str = Field(examples=["There is no such thing, or it is not yours."])
    status: int = Field(examples=[404])
    detail: str = Field(
        description="What happened here: the thing, the limit and the measured value.",
        examples=["There is no subject 0192f0c1-7a3e-7bd2-9c55-0d5b2f4f8a11."],
    )
    hint: str | None = Field(None, description="The way out, where there is one.")
    errors: list[FieldProblem] | None = Field(
        None, description="The fields of the request that are not valid."
    )
    request_id: str = Field(description="Names this request in our log; quote it to us.")


_DESCRIPTIONS = {
    400: "The body cannot be read: it is no JSON, or nested past reading.",
    401: "No API key was sent, or it is not (or no longer) valid.",
    403: "The API key is not for this: it may only read, say.",
    404: "There is no such thing, or it is another owner's.",
    408: "The body did not arrive in time.",
    409: "It cannot be done in the state it is in.",
    413: "The request, or a file in it, is too large.",
    422: "Something in the request is not valid: `errors` or `detail` names it.",
    429: "There are too many of these at once: try again after `Retry-After` seconds.",
    502: "The provider refused what had to be asked of it: `detail` says why.",
    503: "Something this door stands on is away: try again after `Retry-After` seconds.",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }


def answer(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    hint: str | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """One problem, as a response."""
    body: dict[str, Any] = {
        "type": f"urn:safelight:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "hint": hint,
        "errors": errors,
        "request_id": request_id_of(request.scope),
    }
    return JSONResponse(
        {key: value for key, value in body.items() if value is not None},
        status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def _title(error: SafelightError) -> str:
    return (type(error).__doc__ or "Something went wrong.").strip().splitlines()[0]


def of_ours(request: Request, error: Exception) -> JSONResponse:
    """A named error: its own status, what it says and the way out."""
    assert isinstance(error, SafelightError)
    headers = {}
    detail = error.message
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="safelight"'
    if isinstance(error, Retryable):
        headers["Retry-After"] = str(math.ceil(error.after or RETRY_AFTER_SECONDS))
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request.failed", code=error.code, error=str(error))
        if isinstance(error, ProviderRefused):
            detail = shown(detail, most=MOST_OF_A_REASON)  # what was wrong is the asker's to mend
        elif not isinstance(error, NotReady):
            # A driver's message may name hosts and users: it is for our log.
            detail = _title(error)
    return answer(
        request, error.status, error.code, _title(error), detail, hint=error.hint, headers=headers
    )


def no_such_path(path: str) -> HTTPException:
    """The 404 of a path that nothing answers to."""
    return HTTPException(404, path)


def of_the_router(request: Request, error: Exception) -> JSONResponse:
    """Paths and methods that do not exist, bodies that cannot be read."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    where = f"{request.method} {shown(request.url.path, most=200)}"
    if error.status_code == TooLarge.status:
        return of_ours(request, TooLarge(f"{where}: {error.detail}."))
    hint = "GET /docs shows what there is." if error.status_code in (404, 405) else None
    detail = {
        404: f"There is no {where}.",
        405: f"{shown(request.url.path, most=200)} does not take {request.method}.",
    }.get(error.status_code, f"{where}: {error.detail}")
    code = title.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(sorted(request.app.state.methods.at(request.url.path)))
    return answer(request, error.status_code, code, title, detail, hint=hint, headers=headers)


def of_validation(request: Request, error: Exception) -> JSONResponse:
    """A request that is not as the schema says: each field is named, none of its values is echoed."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in found["loc"]), "message": str(found["msg"])}
        for found in error.errors()
    ]
    named = "; ".join(f"{e['field']}: {e['message']}" for e in errors)
    return answer(
        request, 422, "invalid", "What was asked for is not valid.", f"{named}.", errors=errors
    )


def of_a_surprise(request: Request, error: Exception) -> JSONResponse:
    """Anything else: nothing of it is shown but the id under which our log has it. A disk of ours that
    is full is no surprise: it passes."""
    if isinstance(error, OSError) and scratch.is_own(error):
        return of_ours(request, scratch.own(error))
    id = request_id_of(request.scope)
    log.error("request.surprise", exc_info=error)
    return answer(
        request,
        500,
        "surprise",
        "Something went wrong that we did not foresee.",
        f"It is in our log as request {id}.",
    )


def install(app: FastAPI) -> None:
    """Let *app* answer every error as a problem. (A surprise is caught by the middleware.)"""
    app.add_exception_handler(SafelightError, of_ours)
    app.add_exception_handler(HTTPException, of_the_router)
    app.add_exception_handler(RequestValidationError, of_validation)
