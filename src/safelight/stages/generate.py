"""The `generate` queue: weights and images are fetched, verified and put into our store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from safelight.domain.draw_inputs import read_schema
from safelight.domain.errors import BadArchive, NotFound, ProviderRefused, Retryable, Unfinished
from safelight.domain.provider import RemoteRun, Submission
from safelight.stages import weights
from safelight.stages.archives import MAX_ARCHIVE_BYTES, unpack
from safelight.stages.tools import Eye, Provider, Pulse, Store

MAX_IMAGE_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class WeightsOrder:
    """Where the trainer put the archive, where the weights go, and what they should be."""

    url: str
    key: str
    rank: int
    provider_id: str
    version: str
    """``owner/name:<64hex>``: what draws with them at the provider."""
    layers: str | None = None
    """The `layers_to_optimize_regex` that was sent."""


@dataclass(frozen=True, slots=True)
class WeightsStored:
    """Weights that are in our store, read back and verified (I5); `captions` were in the archive,
    `log` is the whole log of the run, where it could be had."""

    key: str
    facts: weights.WeightsFacts
    effective: dict[str, Any] | None
    captions: int
    log: str | None
    draw_inputs: dict[str, dict[str, Any]] | None = None
    """What the version's drawing model takes; None where the provider did not show it."""
    config_fault: str | None = None
    """Why the trainer's own config is not known, where it is not."""


@dataclass(frozen=True, slots=True)
class WeightsUnusable:
    """The archive came, and is not what was asked for: no retry mends that."""

    reason: str


def fetch_weights(
    order: WeightsOrder, store: Store, provider: Provider, pulse: Pulse, folder: Path
) -> WeightsStored | WeightsUnusable:
    """Download the archive, verify the weights in it, store them, and look that they are there."""
    archive = folder / "trained_model.tar"
    provider.download(order.url, archive, limit=MAX_ARCHIVE_BYTES)
    pulse.check()
    try:
        unpacked = unpack(archive, folder, pulse)
        archive.unlink()
        facts = weights.inspect(unpacked.weights, pulse)
        weights.verify(facts, rank=order.rank, effective=unpacked.effective, asked=order.layers)
    except BadArchive as error:
        return WeightsUnusable(error.message)
    pulse.check()
    put = store.put_file(order.key, unpacked.weights, "application/octet-stream")
    there = store.head(order.key)
    if put.sha256 != facts.sha256 or there is None or there.bytes != facts.bytes:
        raise Unfinished(
            f"The store took {facts.bytes:,} bytes of weights and shows "
            f"{there.bytes if there else 0:,}."
        )
    log = _last_log(order.provider_id, provider)
    takes = draw_inputs_of(order.version, provider)
    return WeightsStored(
        order.key,
        facts,
        unpacked.effective,
        unpacked.captions,
        log,
        takes,
        unpacked.config_fault,
    )


def _last_log(provider_id: str, provider: Provider) -> str | None:
    """The log of a run that has ended; the watch may have seen its end in a list, without the log."""
    try:
        return provider.get_training(provider_id).logs
    except (NotFound, Retryable, ProviderRefused):
        return None  # the course of a run is worth a question, not a second try


def draw_inputs_of(version: str, provider: Provider) -> dict[str, dict[str, Any]] | None:
    """What *version* (``owner/name:<64hex>``) takes; None where it cannot be read, which is no reason
    to lose weights that are paid for: requests are then held against the bundled copy."""
    model, _, id = version.partition(":")
    try:
        return read_schema(provider.version_schema(model, id))
    except (Retryable, NotFound, ProviderRefused):
        return None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A paid request for images, its intent committed."""

    version: str
    input: Mapping[str, Any]
    webhook: str | None


def submit(request: GenerationRequest, provider: Provider, pulse: Pulse) -> Submission:
    """One POST. Whatever comes of it is a value; nothing here may try again."""
    pulse.check()  # as for a training: not once the lease has passed to another
    return provider.create_prediction(
        version=request.version, input=request.input, webhook=request.webhook
    )


def is_this_request(
    input: Mapping[str, Any], others: Collection[str] = ()
) -> Callable[[RemoteRun], bool]:
    """A prediction is ours if its prompt, seed and scale are (a control shares prompt and seed with a
    preview), and none of *others*: runs that are known to be other requests' already."""
    told = {key: input[key] for key in ("prompt", "seed", "lora_scale") if key in input}
    return lambda run: (
        run.id not in others and all(run.input.get(key) == value for key, value in told.items())
    )


@dataclass(frozen=True, slots=True)
class ImagesOrder:
    """The images of one generation, at the provider."""

    generation_id: UUID
    urls: Sequence[str]


@dataclass(frozen=True, slots=True)
class ImageStored:
    """An image that is in our store; `number` is its place in the provider's answer."""

    number: int
    key: str
    bytes: int
    sha256: str
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class ImagesUnusable:
    """What came are no images: no retry mends that."""

    reason: str


def fetch_images(
    order: ImagesOrder, store: Store, provider: Provider, eye: Eye, pulse: Pulse, folder: Path
) -> tuple[ImageStored, ...] | ImagesUnusable:
    """Download each image, see that it decodes, store it."""
    stored: list[ImageStored] = []
    for number, url in enumerate(order.urls):
        pulse.check()
        path = folder / f"{number}"
        provider.download(url, path, limit=MAX_IMAGE_BYTES)
        facts = eye.inspect(path, f"image {number}").facts
        if not facts.decodable or not facts.format:
            return ImagesUnusable(f"Image {number} of {len(order.urls)} does not decode.")
        format = facts.format.lower()
        key = f"images/{order.generation_id}/{number}.{format}"
        put = store.put_file(key, path, f"image/{format}")
        assert put.sha256 is not None  # the store computes it as it puts
        stored.append(
            ImageStored(number, key, put.bytes, put.sha256, facts.width, facts.height, format)
        )
    return tuple(stored)
