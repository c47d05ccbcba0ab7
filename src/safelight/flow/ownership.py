"""Owners never meet at the provider either: its one account holds every owner's models.

A model's name is no secret (it stands in `provider_model` and in statements of erasure), so knowing it gives
nobody a right to it.
"""

from __future__ import annotations

import re
from itertools import pairwise
from uuid import UUID

from safelight.db import ownership
from safelight.db.transaction import Tx
from safelight.domain.errors import NotFound
from safelight.domain.texts import shown

_VERSION = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_SEPARATORS = re.compile(r"[/:?#&=\s]+")


def refuse_anothers(
    tx: Tx, owner_id: UUID, model: str, version: str | None = None, *, account: str | None = None
) -> None:
    """Raise NotFound unless the model (and *version* of it) is this owner's own, or is not in our account
    at all. *account*: ours at the provider, where it is known; else the one our trainings went to.

    In a model that several owners share, only versions that this owner's trainings made are its own.
    """
    there = ownership.standing(tx, owner_id, model, version)
    ours = there.our_account or (
        account is not None and model.lower().startswith(f"{account.lower()}/")
    )
    anothers = there.others_version or (
        not there.own_version and (there.others_model or (ours and not there.own_model))
    )
    if anothers:
        raise NotFound(f"The provider has no model {shown(model, most=100)} of yours.")


def refuse_anothers_adapter(tx: Tx, owner_id: UUID, text: str) -> None:
    """The same of an extra adapter, as the drawing model takes it: ``owner/name``, with a version or not,
    or a URL with that in its path.

    Raises:
        NotFound: some two words in it that follow each other name a model that is another owner's.
    """
    found = _VERSION.search(text.lower())
    words = [word for word in _SEPARATORS.split(text.lower()) if word]
    for owner, name in pairwise(words):
        refuse_anothers(tx, owner_id, f"{owner}/{name}", found[0] if found else None)
