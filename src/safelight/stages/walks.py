"""The walks of the `cleanup` queue: a stretch of the store, or a page of the provider, at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from safelight.domain.errors import NotFound, Unreadable
from safelight.domain.provider import is_version_name
from safelight.domain.walk import KnownKey, Stretch, compare
from safelight.stages.tools import Provider, Pulse, Store

PAGE = 1000
"""What a store lists in one request at most."""


def stretch(
    after: str, known: Sequence[KnownKey], limit: int, unseen: float, store: Store, pulse: Pulse
) -> Stretch:
    """Compare the next *limit* objects behind *after* in the store with the rows read just before.

    An object younger than *unseen* seconds is not unknown: its row may be on the way. What seems to
    be missing is asked for by name before it is believed.
    """
    pulse.check()
    objects = store.page(after, limit)
    found = compare(objects, known, limit=limit)
    old = datetime.now(UTC) - timedelta(seconds=unseen)
    missing = []
    for item in found.missing:
        pulse.check()
        if store.head(item.key) is None:
            missing.append(item)
    return replace(
        found,
        unknown=tuple(
            item for item in found.unknown if item.modified_at is None or item.modified_at < old
        ),
        missing=tuple(missing),
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of what the provider has: ``owner/name:version`` → what is known of it."""

    versions: dict[str, str]
    next: str | None
    """The page that follows; None: that was the last."""


def model_page(model: str, page: str | None, provider: Provider) -> Listed:
    """A page of a model's versions. A model that is not there has none."""
    try:
        found = provider.list_versions(model, page)
    except NotFound:
        return Listed({}, None)
    return Listed(
        {f"{model}:{id}": "no row knows it" for id in found.versions}, _onwards(page, found.next)
    )


def trainings_page(page: str | None, since: datetime | None, provider: Provider) -> Listed:
    """A page of the account's trainings, for versions in models that no row names.

    It ends with what is older than *since*: an earlier walk has seen it.
    """
    found = provider.list_trainings(page)
    versions = {}
    for run in found.runs:
        version = run.output.get("version") if isinstance(run.output, dict) else None
        if is_version_name(version):
            versions[version] = f"made by the training {run.id}, which no row knows"
    # All of the page: one run whose time is odd is no sign that it is that old.
    newest = max((run.created_at for run in found.runs if run.created_at), default=None)
    ended = since is not None and newest is not None and newest < since
    return Listed(versions, None if ended else _onwards(page, found.next))


def _onwards(page: str | None, following: str | None) -> str | None:
    if following is not None and following == page:
        raise Unreadable("The provider's list leads back to the page that it has just shown.")
    return following


def lost(versions: Sequence[tuple[UUID, str, str]], provider: Provider, pulse: Pulse) -> list[UUID]:
    """Of these (id, model, version), those the provider does not have."""
    gone = []
    for id, model, version in versions:
        pulse.check()
        if not provider.version_exists(model, version):
            gone.append(id)
    return gone
