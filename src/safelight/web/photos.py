"""Photos of a subject: sent through us, or put straight into the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from safelight.db import subjects as rows
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.domain.captions import MAX_CAPTION
from safelight.domain.errors import Invalid
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import DEFAULT
from safelight.flow.commands import datasets
from safelight.flow.commands import subjects as commands
from safelight.web.access import Cx, Who, v1
from safelight.web.multipart import SCHEMA, Files
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Text, storable

router = APIRouter(prefix="/v1", tags=["photos"], responses=documented(401, 404, 422, 503))


class Finding(BaseModel):
    """One thing that was measured and is worth knowing."""

    kind: str = Field(description="A stable word for machines.", examples=["near-duplicate"])
    level: Literal["block", "warn", "note"] = Field(
        description="`block`: it is not used. `warn`: have a look. `note`: for the record."
    )
    message: str = Field(description="What was measured, the limit and what to do.")
    photo: str | None = Field(None, description="The photo's name; null: the set as a whole.")
    photo_id: str | None = None
    trust: str = Field("measured", description="`measured`, `hint` or `not-measured`.")
    measured: str | float | None = None
    limit: str | float | None = None
    remedy: str | None = None
    source: str | None = Field(None, description="Where the limit comes from.")


class Photo(BaseModel):
    """A photo."""

    id: UUID
    subject_id: UUID
    name: str
    state: str = Field(
        description="`awaited` (its upload is not confirmed), `stored`, then `accepted` or "
        "`rejected` by the inspection that every training begins with, or `removed`."
    )
    caption: str | None
    bytes: int | None
    sha256: str | None
    facts: dict[str, Any] | None = Field(description="What was measured of it.")
    findings: list[Finding]
    created_at: datetime
    inspected_at: datetime | None

    @classmethod
    def of(cls, photo: nouns.Photo) -> Photo:
        """As the door shows it: identity vectors are biometric data and stay in the database."""
        found = cls.model_validate(photo, from_attributes=True)
        if found.facts:
            facts = PhotoFacts.from_dict(found.facts)
            if facts.measured:
                facts = replace(facts, measured=facts.measured.without_identity())
            found = found.model_copy(update={"facts": facts.to_dict()})
        return found


class SetReport(BaseModel):
    """A set, measured and judged."""

    profile: str
    kind: str = Field(description="What the set was judged as: person, model or character.")
    verdict: Literal["ok", "warn", "block"]
    counts: dict[str, int]
    limits: dict[str, Any] = Field(description="The profile's counts.")
    composition: dict[str, Any] = Field(
        description="Framing (a partition) and tags beside the profile's target, of what was given "
        "(`before`) and of what is used (`after`)."
    )
    to_add: list[str] = Field(description="What would complete the set, in words.")
    exposures: float | None = Field(description="How often the trainer would see each image.")
    retrain: dict[str, Any] | None = Field(
        description="Against the last good version's set, with the union of both; null: there is none."
    )
    crops: list[str] = Field(description="Photos of which a medium shot is cut out as well.")
    judge: str
    analyser: list[str]
    photos: list[dict[str, Any]]
    findings: list[Finding]


class SentPhoto(Photo):
    """A photo that was sent."""

    new: bool = Field(description="False: this file was there already, under this name.")


class SentPhotos(BaseModel):
    """The photos of one request, in the order they were sent."""

    items: list[SentPhoto]


class NewUpload(BaseModel):
    """A photo that will be put straight into the store."""

    name: Text = Field(min_length=1, max_length=255, examples=["IMG_0114.jpg"])
    content_type: Literal["image/jpeg", "image/png", "image/webp", "image/heic", "image/tiff"] = (
        Field("image/jpeg", description="What the PUT must say too.")
    )
    caption: Text | None = Field(None, max_length=MAX_CAPTION)


class Upload(BaseModel):
    """Where to put it."""

    photo: Photo
    method: str = "PUT"
    url: str = Field(description="Takes one PUT of the file within the hour. It is a secret.")
    headers: dict[str, str] = Field(description="What the PUT must send.")
    expires_in: int = Field(description="Seconds.")
    confirm: str = Field(description="POST here once it is uploaded.")


def _there(subject_id: UUID, cx: Cx, who: Who) -> None:
    """Before a byte is taken: there is such a subject, and consent where it is a real person."""
    with cx.db.transaction() as tx:
        commands.subject_for_photos(tx, who, subject_id)


@router.post(
    "/subjects/{subject_id}/photos",
    status_code=201,
    dependencies=[Depends(_there)],
    responses=documented(409, 413),
    openapi_extra=SCHEMA,
)
def send_photos(subject_id: UUID, form: Files, cx: Cx, who: Who) -> SentPhotos:
    """Send photos as files, one or many.

    The same file under the same name is kept once, so a request that was cut off may be sent again
    as it is; a caption that comes with it takes the place of the one it had. Photos are inspected when a
    training begins. A real person's (kinds `person` and `model`) are taken only once consent is on
    record: before that the request is refused unread.
    """
    caption = form.fields.get("caption") or None
    if caption is not None:
        if len(form.files) > 1:
            raise Invalid(
                f"A caption is of one photo; {len(form.files)} were sent with it.",
                hint="Send photos that have captions one by one.",
            )
        if len(caption) > MAX_CAPTION:
            raise Invalid(f"A caption has at most {MAX_CAPTION} characters; not {len(caption)}.")
        _storable("caption", caption)
    for file in form.files:
        _storable("file name", file.name)
    items = []
    for file in form.files:
        photo, new = commands.add_photo(
            cx.db, cx.tools.store, who, subject_id, file.path, name=file.name, caption=caption
        )
        items.append(SentPhoto(**Photo.of(photo).model_dump(), new=new))
    return SentPhotos(items=items)


def _storable(what: str, text: str) -> None:
    try:
        storable(text)
    except ValueError as error:
        raise Invalid(f"The {what} {text[:40]!r} is not valid: {error}.") from None


@router.post(
    "/subjects/{subject_id}/uploads",
    status_code=201,
    response_model=Upload,
    responses=documented(409),
)
def request_upload(subject_id: UUID, asked: NewUpload, cx: Cx, who: Who, once: Creates) -> Response:
    """Ask for a URL that takes a photo straight into the store.

    PUT the file there, then POST to `confirm`. What is never confirmed is purged after a day. For a real
    person there is no URL before consent is on record. Honours `Idempotency-Key`.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        photo, url = commands.request_upload(
            tx,
            cx.tools.store,
            who,
            subject_id,
            name=asked.name,
            content_type=asked.content_type,
            caption=asked.caption,
        )
        where = v1("photos", photo.id)
        upload = Upload(
            photo=Photo.of(photo),
            url=url,
            headers={"Content-Type": asked.content_type},
            expires_in=commands.UPLOAD_SECONDS,
            confirm=f"{where}/confirm",
        )
        return upload, where

    return once(asked, make, status=201)


@router.post("/photos/{photo_id}/confirm", responses=documented(409))
def confirm_upload(photo_id: UUID, cx: Cx, who: Who) -> Photo:
    """Say that the upload has ended; from now on the photo counts. Doing so twice is no error."""
    return Photo.of(commands.confirm_upload(cx.db, cx.tools.store, who, photo_id))


@router.get("/subjects/{subject_id}/photos", response_model=Page[Photo])
def list_photos(subject_id: UUID, cx: Cx, who: Who, page: Paged) -> object:
    """The photos of a subject with what was found, in the order they came."""
    with cx.db.transaction() as tx:
        commands.get_subject(tx, who, subject_id)
        found = rows.photos(tx, subject_id, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Photo.of, lambda photo: photo.id)


@router.get("/subjects/{subject_id}/report")
def get_report(
    subject_id: UUID,
    cx: Cx,
    who: Who,
    profile: Text = DEFAULT,
    retrain: Literal["smaller", "union"] | None = None,
) -> SetReport:
    """The subject's set as it would be trained now, by what is on record of its photos: what is used
    and what is not, who it shows, what it is made of, what to add, and how it compares with the last
    good version's set. *retrain*: as if it were answered so."""
    with cx.db.transaction() as tx:
        found, _ = datasets.report(tx, who, subject_id, profile=profile, retrain=retrain)
    return SetReport.model_validate(found)


@router.get("/photos/{photo_id}")
def get_photo(photo_id: UUID, cx: Cx, who: Who) -> Photo:
    """One photo, with what was measured and found."""
    with cx.db.transaction() as tx:
        return Photo.of(commands.get_photo(tx, who, photo_id))


@router.delete("/photos/{photo_id}", status_code=204, responses=documented(409))
def remove_photo(photo_id: UUID, cx: Cx, who: Who) -> None:
    """Take a photo out of the set. What was trained with it stays as it is."""
    with cx.db.transaction() as tx:
        commands.remove_photo(tx, who, photo_id)
