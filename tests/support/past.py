"""A past to clean up after: finished trainings with their sets, versions, drawings and jobs."""

from __future__ import annotations

from uuid import UUID

from safelight.domain.ids import new_id
from safelight.flow.context import Context
from tests.support.pipeline import row

TRAINING = """
WITH dataset AS (
    INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest,
                          report, photos, created_at)
    VALUES (%(dataset)s, %(subject)s, %(number)s, 'likeness@v1', %(key)s::text || '.zip', 3, repeat('a', 64),
            %(key)s::text || '.json', '{}', '{}', 8, now() - make_interval(days => %(days)s))
), training AS (
    INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer, dataset_id, sent,
                           intent_id, intent_at, provider_id, log_tail, created_at, finished_at)
    SELECT %(training)s::uuid, owner_id, id, %(number)s, 'succeeded', 'likeness@v1', 't', %(dataset)s, '{}',
           gen_random_uuid(), now(), %(training)s::uuid::text, 'flux_train: 100%%', now(),
           now() - make_interval(days => %(days)s)
    FROM subjects WHERE id = %(subject)s
)
INSERT INTO versions (id, owner_id, subject_id, training_id, number, state, trigger_word, weights_key,
                      weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version,
                      created_at, activated_at)
SELECT %(version)s, owner_id, id, %(training)s, %(number)s, %(state)s::version_state, trigger_word,
       %(weights)s, %(bytes)s, %(sha256)s, 16, 4, %(model)s, %(remote)s,
       now() - make_interval(days => %(days)s),
       CASE WHEN %(state)s::version_state = 'active' THEN now() END
FROM subjects WHERE id = %(subject)s
RETURNING id, training_id
"""

DRAWING = """
WITH generation AS (
    INSERT INTO generations (id, owner_id, subject_id, version_id, purpose, state, prompt, input,
                             intent_id, intent_at, provider_id, output, created_at, finished_at)
    SELECT %(id)s::uuid, owner_id, subject_id, id, %(purpose)s::generation_purpose, 'succeeded', 'p', '{}',
           gen_random_uuid(), now(), %(id)s::uuid::text, '["https://gone"]',
           now() - make_interval(days => %(days)s),
           now() - make_interval(days => %(days)s)
    FROM versions WHERE id = %(version)s
)
INSERT INTO images (id, generation_id, number, key, bytes, sha256, width, height, format, created_at)
VALUES (%(image)s, %(id)s, 0, %(key)s, 3, repeat('b', 64), 8, 8, 'png',
        now() - make_interval(days => %(days)s))
RETURNING id
"""


def add_version(
    cx: Context, subject_id: UUID, number: int, *, days: int = 0, state: str = "candidate"
) -> UUID:
    """A training that succeeded *days* ago, with its set and its version, all of it in the store."""
    training, version, dataset = new_id(), new_id(), new_id()
    prefix = f"datasets/{subject_id}/{training}"
    for end in (".zip", ".json"):
        cx.tools.store.put_bytes(prefix + end, b"set", "x/y")
    put = cx.tools.store.put_bytes(
        f"weights/{subject_id}/{training}.safetensors", b"weights of %d" % number, "x/y"
    )
    made = row(
        cx,
        TRAINING,
        dataset=dataset,
        training=training,
        version=version,
        subject=subject_id,
        number=number,
        days=days,
        state=state,
        key=prefix,
        weights=put.key,
        bytes=put.bytes,
        sha256=put.sha256,
        remote=version.hex * 2,
        model="emulated/x",
    )
    id: UUID = made["id"]
    return id


def add_drawing(cx: Context, version_id: UUID, *, purpose: str, days: int) -> UUID:
    """A drawing that ended *days* ago, with one image in the store; the image's id."""
    id, image = new_id(), new_id()
    key = f"images/{id}/0.png"
    cx.tools.store.put_bytes(key, b"png", "image/png")
    made = row(
        cx, DRAWING, id=id, version=version_id, purpose=purpose, days=days, image=image, key=key
    )
    found: UUID = made["id"]
    return found


def add_finished_job(cx: Context, *, days: int, target_id: UUID | None = None) -> UUID:
    """A job that ended *days* ago, with its events; its id is of its time, as real ones are."""
    made = row(
        cx,
        """
        WITH job AS (
            INSERT INTO jobs (id, queue, kind, state, target_id, max_attempts, lease_seconds,
                              created_at, finished_at)
            SELECT (lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0')
                    || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15)
                   )::uuid, 'cleanup', 'purge_temporary', 'done', %(target)s, 8, 30, at, at
            FROM (SELECT now() - make_interval(days => %(days)s) AS at) t
            RETURNING id
        ), event AS (
            INSERT INTO events (noun, noun_id, before, after, actor)
            SELECT 'job', id, NULL, 'ready', 'test' FROM job
        )
        SELECT id FROM job
        """,
        days=days,
        target=target_id,
    )
    found: UUID = made["id"]
    return found
