"""Photos of a subject: sent through us, or put straight into the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from safelight.db import subjects as rows
from safelight.db.transaction import Tx
from safelight.domain import nouns
from safelight.domain.captions import MAX_CAPTION
from safelight.domain.errors import Invalid
from safelight.domain.formats import PhotoType
from safelight.domain.photos import PhotoFacts
from safelight.domain.profiles import DEFAULT
from safelight.domain.texts import keepable, shown
from safelight.flow.commands import datasets
from safelight.flow.commands import photos as commands
from safelight.flow.commands.subjects import get_subject
from safelight.web.access import Cx, PhotosMayCome, Who, v1
from safelight.web.multipart import SCHEMA, Files
from safelight.web.once import Creates
from safelight.web.pages import Page, Paged
from safelight.web.problems import documented
from safelight.web.text import Ref, Text, plain

router = APIRouter(
    prefix="/v1", tags=["photos"], responses=documented(401, 403, 404, 422, 429, 503)
)


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
    location_removed: dict[str, int] | None = Field(
        None,
        description="How many properties of where it was taken were taken out of it before it was stored, "
        "by where they were: `exif`, `xmp`, `iptc`, `film`, `text`; null: none.",
    )
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
    content_type: PhotoType = Field(PhotoType.JPEG, description="What the PUT must say too.")
    bytes: int = Field(
        ge=1,
        le=commands.MAX_PHOTO_BYTES,
        description="The file's size. The URL takes a body of this length and no other.",
        examples=[2_481_630],
    )
    sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of the file, in hex. Another content is refused by the store where it looks, else by "
        "the inspection.",
    )
    caption: Text | None = Field(None, max_length=MAX_CAPTION)


class Upload(BaseModel):
    """Where to put it."""

    photo: Photo
    method: str = "PUT"
    url: str | None = Field(
        description="Takes one PUT of the file within the hour. It is a secret. Null where this is an "
        "answer of before and the photo is not awaited any more: nothing is to be put."
    )
    headers: dict[str, str] = Field(
        description="What the PUT must send, besides a Content-Length of `bytes`."
    )
    expires_in: int = Field(description="Seconds for which the URL works.")
    confirm: str = Field(description="POST here once it is uploaded.")


@router.post(
    "/subjects/{subject_id}/photos",
    status_code=201,
    dependencies=[PhotosMayCome],
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
        _plain("caption", caption)
    for file in form.files:
        if keepable(file.name) != file.name:
            raise Invalid(f"The file name {shown(file.name, most=40)!r} cannot be kept.")
    items = []
    for file in form.files:
        photo, new = commands.add_photo(
            cx.db, cx.tools.store, who, subject_id, file.path, name=file.name, caption=caption
        )
        items.append(SentPhoto(**Photo.of(photo).model_dump(), new=new))
    return SentPhotos(items=items)


def _plain(what: str, text: str) -> None:
    try:
        plain(text)
    except ValueError as error:
        raise Invalid(f"The {what} {shown(text, most=40)!r} is not valid: {error}.") from None


class _Kept(BaseModel):
    """What is kept of an upload's answer: the URL, a secret that ends, is signed for who asks."""

    photo_id: UUID
    content_type: str


@router.post(
    "/subjects/{subject_id}/uploads",
    status_code=201,
    response_model=Upload,
    dependencies=[PhotosMayCome],
    responses=documented(409),
)
def request_upload(subject_id: UUID, asked: NewUpload, cx: Cx, who: Who, once: Creates) -> Response:
    """Ask for a URL that takes a photo straight into the store.

    PUT the file there, then POST to `confirm`. The URL takes one body of the size that was said, once
    where the store knows of that. What is never confirmed is purged after a day. For a real person there
    is no URL before consent is on record. Honours `Idempotency-Key`; the same answer comes with a fresh
    URL.
    """

    def make(tx: Tx) -> tuple[BaseModel, str]:
        photo = commands.request_upload(
            tx,
            who,
            subject_id,
            name=asked.name,
            bytes=asked.bytes,
            sha256=asked.sha256,
            caption=asked.caption,
        )
        kept = _Kept(photo_id=photo.id, content_type=asked.content_type.value)
        return kept, v1("photos", photo.id)

    def show(body: str) -> Upload:
        kept = _Kept.model_validate_json(body)
        with cx.db.transaction() as tx:
            photo = commands.get_photo(tx, who, kept.photo_id)
        link = commands.upload_link(cx.tools.store, photo, kept.content_type)
        return Upload(
            photo=Photo.of(photo),
            url=link.url if link else None,
            headers=link.headers if link else {},
            expires_in=link.seconds if link else 0,
            confirm=f"{v1('photos', photo.id)}/confirm",
        )

    return once(asked, make, status=201, show=show)


@router.post("/photos/{photo_id}/confirm", responses=documented(409))
def confirm_upload(photo_id: UUID, cx: Cx, who: Who) -> Photo:
    """Say that the upload has ended; from now on the photo counts. Doing so twice is no error."""
    return Photo.of(commands.confirm_upload(cx.db, cx.tools.store, who, photo_id))


@router.get("/subjects/{subject_id}/photos", response_model=Page[Photo])
def list_photos(subject_id: UUID, cx: Cx, who: Who, page: Paged) -> object:
    """The photos of a subject with what was found, in the order they came."""
    with cx.db.transaction() as tx:
        get_subject(tx, who, subject_id)
        found = rows.photos(tx, subject_id, who.owner_id, after=page.after, limit=page.one_more)
    return page.of(found, Photo.of, lambda photo: photo.id)


@router.get("/subjects/{subject_id}/report")
def get_report(
    subject_id: UUID,
    cx: Cx,
    who: Who,
    profile: Ref = DEFAULT,
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
