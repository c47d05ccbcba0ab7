"""Profiles in use: kept with the first training, and read back from there whatever a file says later."""

from __future__ import annotations

from collections.abc import Mapping

from safelight.db import provenance
from safelight.db.transaction import Tx
from safelight.domain.errors import Conflict
from safelight.domain.profiles import NEW_NAME, Profile, get_profile, parse_profile
from safelight.domain.trainer_inputs import INPUTS, TrainerInput
from safelight.domain.trainer_schema import inputs_of


def keep(tx: Tx, profile: Profile) -> None:
    """Keep the profile's text. Conflict: another text was used under its id before."""
    provenance.keep_profile(tx, profile)
    kept = provenance.kept_profile(tx, profile.id)
    if kept is not None and kept["sha256"] != profile.sha256:
        raise Conflict(
            f"The profile {profile.id} is not the one that was used under this name: sha256 "
            f"{profile.sha256[:12]}, and {kept['sha256'][:12]} on {kept['kept_at']:%Y-%m-%d}.",
            hint=NEW_NAME,
        )


def profile_of(tx: Tx, id: str) -> Profile:
    """The profile as it was first used; one that never was comes from its file."""
    kept = provenance.kept_profile(tx, id)
    return parse_profile(kept["text"], f"{id}.toml") if kept else get_profile(id)


def known_inputs(tx: Tx, trainer: str) -> Mapping[str, TrainerInput]:
    """What the trainer took when its schema was last read; the bundled table before that."""
    newest = next(iter(provenance.schemas(tx, trainer).values()), None)
    return inputs_of(newest) if newest else INPUTS
