"""A training in flight, without the way there."""

from __future__ import annotations

from uuid import UUID

from safelight.flow.context import Context
from tests.support.pipeline import row

IN_FLIGHT = """
WITH subject AS (
    INSERT INTO subjects (id, owner_id, name, kind, trigger_word)
    VALUES (gen_random_uuid(), %(owner_id)s, 'in flight', 'character', 'inflight') RETURNING id
), dataset AS (
    INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest,
                          report, photos)
    SELECT gen_random_uuid(), id, 1, 'p', 'k', 1, repeat('0', 64), 'm', '{}', '{}', 1 FROM subject
    RETURNING id, subject_id
)
INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, dataset_id, trainer, sent,
                       intent_id, intent_at, provider_id, accepted_at)
SELECT gen_random_uuid(), %(owner_id)s, subject_id, 1, 'training', 'p', id, 't', '{}',
       gen_random_uuid(), now(), 'run', now() FROM dataset
RETURNING intent_id
"""


def in_flight(cx: Context, owner_id: UUID) -> str:
    """The mark of a training that is with the provider."""
    return str(row(cx, IN_FLIGHT, owner_id=owner_id)["intent_id"])
