"""The `submit` queue: what costs money is prepared, sent once, and found again if its reply is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from safelight.domain.errors import (
    Invalid,
    NotFound,
    ProviderRefused,
    Retryable,
    SafelightError,
    Unreadable,
)
from safelight.domain.plans import check_sent
from safelight.domain.profiles import Profile
from safelight.domain.provider import NotSent, RemoteRun, RunPage, Submission
from safelight.domain.trainer_inputs import INPUTS
from safelight.domain.trainer_schema import inputs_of, training_properties
from safelight.stages import layers
from safelight.stages.tools import Provider, Pulse, Store

CLOCK_MARGIN = timedelta(minutes=5)
"""How far the provider's clock may be from the database's before evidence is missed."""
MAX_PAGES = 1_000
"""100,000 runs back: more than an account makes in the day that a search goes on at most."""


@dataclass(frozen=True, slots=True)
class PrepareOrder:
    """What a submission needs before it can be sent."""

    intent_id: UUID
    trainer: str
    model_name: str
    dataset_key: str
    profile: Profile
    overrides: Mapping[str, Any]
    sent: Mapping[str, Any]
    known: Mapping[str, Mapping[str, Any]]
    """Trainer version → what it takes, of those that were read before."""
    link_seconds: int
    """How long the input's link has to work: it outlives the provider's queue."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the version will be, by which trainer version, from which input object; what that
    version takes, where it could be read."""

    intent_id: UUID
    destination: str
    trainer_version: str
    input_key: str
    properties: Mapping[str, Any] | None


def input_key(intent_id: UUID) -> str:
    """The key of the training's own copy of its dataset: unique to the intent, so that the URL in
    the provider's list is evidence of this request and no other."""
    return f"temporary/submissions/{intent_id}.zip"


def prepare(order: PrepareOrder, store: Store, provider: Provider, pulse: Pulse) -> Prepared:
    """Resolve the trainer's version and hold the input against what it takes; make the destination
    model on first use, copy the input.

    Raises:
        Invalid: the version would drop or refuse an input; nothing was paid.
        LinkTooShort: the store's keys end before the input's link may; nothing was paid.
    """
    store.lifetime(order.link_seconds, least=order.link_seconds)
    version = provider.latest_version(order.trainer)
    properties = order.known.get(version) or _properties(provider, order.trainer, version)
    inputs = inputs_of(properties) if properties else INPUTS
    try:
        check_sent(order.profile, order.sent, order.overrides, inputs)
        layers.check(order.sent)
    except Invalid as error:
        raise Invalid(
            f"{order.trainer} at version {version[:12]} does not take what would be sent, and nothing "
            f"was sent. {error.message}",
            hint=error.hint,
        ) from error
    pulse.check()
    destination = f"{provider.account()}/{order.model_name}"
    provider.ensure_model(destination)
    pulse.check()
    key = input_key(order.intent_id)
    store.copy(order.dataset_key, key)
    return Prepared(order.intent_id, destination, version, key, properties)


def _properties(provider: Provider, trainer: str, version: str) -> Mapping[str, Any] | None:
    """What the version takes; None where it says nothing that can be understood."""
    try:
        return training_properties(provider.version_schema(trainer, version))
    except (NotFound, ProviderRefused):
        return None


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A paid request, its intent committed."""

    trainer: str
    version: str
    destination: str
    input: Mapping[str, Any]
    input_key: str
    link_seconds: int
    webhook: str | None


def submit(
    request: TrainingRequest, store: Store, provider: Provider, pulse: Pulse
) -> Submission:  # fmt: skip
    """One POST. Whatever comes of it is a value; nothing here may try again."""
    seconds = request.link_seconds
    try:
        url = store.presign_get(request.input_key, seconds, least=seconds)
    except SafelightError as error:  # the keys are looked up for it, and may be away
        return NotSent(f"The link to the photos could not be signed. {error}")
    # A worker that was stopped for longer than its lease is already looked for in the provider's
    # list by another: it must not send now.
    pulse.check()
    return provider.create_training(
        trainer=request.trainer,
        version=request.version,
        destination=request.destination,
        input={**request.input, "input_images": url},
        webhook=request.webhook,
    )


def find_run(
    pages: Callable[[str | None], RunPage],
    is_ours: Callable[[RemoteRun], bool],
    *,
    since: datetime,
    pulse: Pulse,
) -> RemoteRun | None:
    """Look through the provider's list, newest first, for the run that bears our mark.

    None: the list was read back to *since*, every run of it, and does not show it.

    Raises:
        Retryable: it was not all read, so that whether it shows the run is not known.
    """
    cursor: str | None = None
    gone_through: set[str] = set()
    unread = 0
    for _ in range(MAX_PAGES):
        page = pages(cursor)
        for run in page.runs:
            if is_ours(run):
                return run
        unread += page.unread
        # All of them: one run whose time is odd is no sign that the page is that old.
        newest = max((run.created_at for run in page.runs if run.created_at), default=None)
        if page.next is None or (newest is not None and newest < since - CLOCK_MARGIN):
            if unread:
                raise Retryable(
                    f"{unread} runs in the provider's list cannot be read, and ours may be among them."
                )
            return None
        cursor = page.next
        if cursor in gone_through:
            raise Unreadable("The provider's list leads back to a page that it showed before.")
        gone_through.add(cursor)
        pulse.check()
    raise Retryable(f"The provider's list goes on past {MAX_PAGES:,} pages.")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a run has to show to be the one that a request of ours made.

    *is_ours* looks at its input. The provider forgets inputs after a while; then the run must lie where only
    this request's owner has anything: `version` (drawing) or the model of what it made (training).
    """

    is_ours: Callable[[RemoteRun], bool]
    sent_at: datetime
    version: str | None = None
    destination: str | None = None


def bears(mark: Mark, run: RemoteRun) -> bool:
    """Whether *run* is what the request of *mark* made."""
    if run.input:
        return mark.is_ours(run)
    made = run.output.get("version") if isinstance(run.output, Mapping) else None
    in_place = (mark.version is not None and run.version == mark.version) or (
        mark.destination is not None
        and isinstance(made, str)
        and made.startswith(f"{mark.destination}:")
    )
    in_time = run.created_at is not None and run.created_at >= mark.sent_at - CLOCK_MARGIN
    return in_place and in_time


def bears_intent(intent_id: UUID) -> Callable[[RemoteRun], bool]:
    """A training is ours if its input URL names the intent."""
    return lambda run: str(intent_id) in str(run.input.get("input_images", ""))
