"""What an erasure takes away and what proves it: the plan, made from the rows, and the signed statement.

A column named `key` or `*_key` holds an object's key; `provider_model` and `provider_version`, or an
output's `version`, name a copy at the provider. A table that comes later and keeps to that is covered.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Json = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_OBJECTS = frozenset({"unique_key", "public_key"})
_OF_THEIR_OWN = {"versions": "weights_sha256", "datasets": "sha256"}
"""Hashes that no other subject can have: photos, black images and imported weights may be shared."""
_ROOTS = ("photos", "datasets", "weights")
"""Where objects lie under the subject's id."""

BEYOND_REACH = (
    (
        "Backups of the database and of the object store, older versions of objects where the bucket "
        "keeps them, and database logs: they end by the age their keeper sets."
    ),
    "Process logs: they hold ids, no names, prompts or photos, and end by age.",
    (
        "The provider's own record of a run (its id, its times): its API deletes versions, with their "
        "weights and predictions, but no training's record."
    ),
)
NOT_OURS = (
    "{n} version(s) that were trained elsewhere and imported: their copies at the provider belong to "
    "whoever trained them."
)
OF_OTHERS = (
    "{n} row(s) of other subjects or owners that hold the same trigger or id, which somebody wrote there: "
    "they are not this subject's, and stay."
)
NOT_FOUND_THERE = (
    "{n} paid request(s) whose reply was lost and which the provider's list did not show: if one was "
    "accepted all the same, its run is known to nobody here."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to go, and what is looked for afterwards. Kept as JSON while the erasure is under way."""

    keys: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    """Model ``owner/name`` and version, at the provider."""
    models: tuple[str, ...] = ()
    """Models named after who is erased."""
    models_kept: tuple[str, ...] = ()
    """Models that others share; once the owner goes, they go."""
    trainings: tuple[str, ...] = ()
    """The provider's ids."""
    predictions: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    """Looked for anywhere in a row."""
    words: tuple[str, ...] = ()
    """Looked for as whole words: ids, hashes."""
    spent_micro_usd: int = 0
    elsewhere: int = 0
    """Versions that were imported: their copies at the provider are not ours to delete."""
    stopped: Json = field(default_factory=dict)
    rows: Json = field(default_factory=dict)
    """How many were deleted, by table."""
    listed: bool = False
    objects: tuple[str, ...] = ()
    """The keys that were found in the store, and deleted."""
    actors: tuple[str, ...] = ()
    """Names by which who is erased stands in events as their cause."""
    parts: tuple[str, ...] = ()
    """The erasures this one, of an owner, is made of."""

    def to_dict(self) -> Json:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Plan:
        """As it was kept."""
        lists: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in given.items()
        }
        lists["versions"] = tuple((v[0], v[1]) for v in given["versions"])
        return cls(**lists)


def plan_of(
    subject_id: UUID, rows: Iterable[tuple[str, Json]], outputs: Sequence[str], stopped: Json
) -> Plan:
    """What has to go with a subject. *outputs*: versions (``owner/name:hex``) that runs were seen to
    have made which no row knows of yet."""
    found = _Found(subject_id)
    for relation, content in rows:
        found.take(relation, content)
    for output in outputs:
        found.output({"version": output}, found.models)
    own = str(subject_id)
    named = {model for model in found.models if own[-12:] in model}
    prefixes = {f"{root}/{own}/" for root in _ROOTS} | found.prefixes()
    return Plan(
        keys=tuple(sorted(k for k in found.keys if not k.startswith(tuple(prefixes)))),
        prefixes=tuple(sorted(prefixes)),
        versions=tuple(sorted(found.versions)),
        models=tuple(sorted(named)),
        models_kept=tuple(sorted(found.models - named)),
        trainings=tuple(sorted(found.trainings)),
        predictions=tuple(sorted(found.predictions)),
        texts=tuple(sorted(found.texts | {own})),
        words=tuple(sorted(found.words - {own})),
        spent_micro_usd=found.spent,
        stopped=stopped,
        elsewhere=found.elsewhere,
    )


class _Found:
    """Gathers out of the rows what `plan_of` puts in order."""

    def __init__(self, subject_id: UUID) -> None:
        self.subject_id = str(subject_id)
        self.keys: set[str] = set()
        self.versions: set[tuple[str, str]] = set()
        self.models: set[str] = set()
        self.trainings: set[str] = set()
        self.predictions: set[str] = set()
        self.texts: set[str] = set()
        self.words: set[str] = set()
        self.generations: set[str] = set()
        self.spent = 0
        self.elsewhere = 0

    def take(self, relation: str, content: Json) -> None:
        """One row."""
        for name in ("id", "intent_id"):
            if _UUID.fullmatch(str(content.get(name))):
                self.words.add(content[name])
        for name, value in content.items():
            key = name == "key" or name.endswith("_key")
            if key and name not in _NOT_OBJECTS and isinstance(value, str) and "/" in value:
                self.keys.add(value)
        imported = content.get("origin") == "imported"
        if not imported and content.get(_OF_THEIR_OWN.get(relation, "-")):
            self.words.add(content[_OF_THEIR_OWN[relation]])
        if relation == "subjects":
            self.texts.add(content["trigger_word"].lower())
        if relation in ("trainings", "generations"):
            self.run(relation, content)
        if content.get("provider_version") and content.get("provider_model"):
            if imported:
                # Others may have imported the same: only the row is the subject's.
                self.elsewhere += 1
            else:
                self.words.add(content["provider_version"])
                self.versions.add((content["provider_model"], content["provider_version"]))
                self.models.add(content["provider_model"])

    def run(self, relation: str, content: Json) -> None:
        """A paid run: what it cost, what it made, and where."""
        self.spent += content.get("cost_micro_usd") or 0
        if relation == "generations":
            self.generations.add(content["id"])
        if content.get("provider_id"):
            self.words.add(content["provider_id"])
            (self.trainings if relation == "trainings" else self.predictions).add(
                content["provider_id"]
            )
        if relation == "trainings" and content.get("destination"):
            self.models.add(content["destination"])
            self.output(content.get("output"), [content["destination"]])

    def output(self, output: Any, destinations: Iterable[str]) -> None:
        """A training's output names its version; one in a model that it was not sent to is not its own."""
        version = output.get("version") if isinstance(output, dict) else None
        model, _, id = version.partition(":") if isinstance(version, str) else ("", "", "")
        if id and model in destinations:
            self.versions.add((model, id))
            self.words.add(id)

    def prefixes(self) -> set[str]:
        """The folders that bear an id of the subject's: whatever lies in them is the subject's."""
        ids = self.words | {self.subject_id}
        found = {f"images/{id}/" for id in self.generations}
        for key in self.keys:
            parts = key.split("/")
            for depth, part in enumerate(parts[:-1], 1):
                if part in ids:
                    found.add("/".join(parts[:depth]) + "/")
                    break
        return found


@dataclass(frozen=True, slots=True)
class Checks:
    """What was looked at afterwards, and what was found."""

    store: Json
    provider: Json
    tables: Json
    """Table → rows found that name what is gone."""
    removed: Json = field(default_factory=dict)
    """Table → rows that were found and deleted in passing (events, kept answers)."""
    resembling: Json = field(default_factory=dict)
    """Table → rows of others that hold the same word: reported, and theirs to keep."""

    @property
    def found(self) -> str:
        """What should not be there any more, as a sentence; empty: nothing."""
        left = [f"{n} rows of {table}" for table, n in self.tables.items() if n]
        if self.store["found"]:
            left.append(f"{self.store['found']} objects, the first {self.store['first']}")
        if self.provider["versions_found"]:
            left.append(f"{self.provider['versions_found']} versions at the provider")
        return ", ".join(left)


def statement_of(about: Json, plan: Plan, checks: Checks, *, finished_at: str) -> Json:
    """What is signed. It names ids and keys, and no name, word, prompt or hash of who is erased."""
    beyond = list(BEYOND_REACH)
    if lost := plan.stopped.get("not_found", 0):
        beyond.append(NOT_FOUND_THERE.format(n=lost))
    if plan.elsewhere:
        beyond.append(NOT_OURS.format(n=plan.elsewhere))
    if resembling := sum(checks.resembling.values()):
        beyond.append(OF_OTHERS.format(n=resembling))
    rows = dict(plan.rows)
    for table, n in checks.removed.items():
        rows[table] = rows.get(table, 0) + n
    return {
        "form": "safelight erasure statement 1",
        **about,
        "finished_at": finished_at,
        "stopped": plan.stopped,
        "deleted": {
            "objects": {"count": len(plan.objects), "keys": list(plan.objects)},
            "provider": {
                "versions": [f"{model}:{version}" for model, version in plan.versions],
                "models": list(plan.models),
            },
            "rows": rows,
            "parts": list(plan.parts),
        },
        "kept": {"spent_micro_usd": plan.spent_micro_usd, "models_shared": list(plan.models_kept)},
        "checks": {
            "object_store": checks.store,
            "provider": checks.provider,
            "tables": {
                table: {"rows_found": n, "of_others": checks.resembling.get(table, 0)}
                for table, n in sorted(checks.tables.items())
            },
        },
        "beyond_reach": beyond,
    }


def with_later_look(statement: Json, objects: Sequence[str], at: str) -> Json:
    """The statement, with what was found once uploads under way could not arrive any more."""
    return {
        **statement,
        "looked_again": {"at": at, "objects_found_and_deleted": list(objects)},
    }


def canonical(statement: Json) -> bytes:
    """The bytes that are signed: JSON with sorted keys, no spaces, UTF-8."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(seed: bytes, statement: Json) -> tuple[str, str]:
    """(signature, public key), base64: Ed25519 over `canonical`. *seed*: 32 bytes."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return (
        base64.b64encode(key.sign(canonical(statement))).decode(),
        base64.b64encode(public).decode(),
    )


def is_signed(statement: Json, signature: str, public_key: str) -> bool:
    """True if the holder of this key signed this statement."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key))
        key.verify(base64.b64decode(signature), canonical(statement))
    except (InvalidSignature, ValueError):
        return False
    return True
