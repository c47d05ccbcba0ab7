"""Subjects with a past, as rows: versions, drawings and sets; and trainings told how they ended."""

from __future__ import annotations

SUBJECT = """
WITH subject AS (
    INSERT INTO subjects (id, owner_id, name, kind, trigger_word, consented_at, consent_note)
    VALUES (%(id)s, %(owner)s, %(name)s, %(kind)s, %(trigger)s,
            CASE WHEN %(consented)s THEN now() END, CASE WHEN %(consented)s THEN 'form' END)
), photo AS (
    INSERT INTO photos (id, subject_id, name, key, state, bytes)
    SELECT gen_random_uuid(), %(id)s, n::text, 'photos/' || %(id)s || '/' || n, 'stored', 1
    FROM generate_series(1, %(photos)s) n
), dataset AS (
    INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key,
                          manifest, report, photos)
    SELECT gen_random_uuid(), %(id)s, n, 'p', 'datasets/' || %(id)s || '/' || n || '.zip', 1,
           encode(sha256((%(id)s || n::text)::bytea), 'hex'),
           'datasets/' || %(id)s || '/' || n || '.json', '{}', '{}', 15
    FROM generate_series(1, %(versions)s) n RETURNING id, number
), training AS (
    INSERT INTO trainings (id, owner_id, subject_id, number, state, profile, trainer, dataset_id,
                           sent, intent_id, intent_at, provider_id, steps,
                           predict_seconds, cost_micro_usd, finished_at)
    SELECT gen_random_uuid(), %(owner)s, %(id)s, d.number, 'succeeded', %(profile)s, 't', d.id, '{}',
           gen_random_uuid(), now(), 'old' || d.id, 1000, 1000, 1525000, now()
    FROM dataset d RETURNING id, number
), version AS (
    INSERT INTO versions (id, owner_id, subject_id, training_id, number, state, trigger_word, weights_key,
                          weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version,
                          activated_at, approved_at, approved_by, approved_why)
    SELECT gen_random_uuid(), %(owner)s, %(id)s, t.id, t.number,
           CASE WHEN t.number = %(versions)s THEN 'active' ELSE 'candidate' END::version_state, 'tok',
           'weights/' || %(id)s || '/' || t.number, 10,
           encode(sha256(t.id::text::bytea), 'hex'), 16, 4, 'emulated/x',
           encode(sha256(('v' || t.id)::bytea), 'hex'), now(), now(), 'x', 'x'
    FROM training t RETURNING id, number
), drawing AS (
    INSERT INTO generations (id, owner_id, subject_id, version_id, purpose, state, prompt, input,
                             intent_id, intent_at, provider_id, output, finished_at)
    SELECT gen_random_uuid(), %(owner)s, %(id)s, v.id, 'request', 'succeeded', 'x', '{}',
           gen_random_uuid(), now(), 'draw' || v.id, '["u"]', now() FROM version v RETURNING id
)
INSERT INTO images (id, generation_id, number, key, bytes, sha256, width, height, format)
SELECT gen_random_uuid(), d.id, 0, 'images/' || d.id || '/0.webp', 1, repeat('d', 64), 1, 1, 'webp'
FROM drawing d
"""

END = """
WITH job AS (
    UPDATE jobs SET state = 'canceled', finished_at = now()
    WHERE kind = 'inspect_photos' AND state = 'ready'
), dataset AS (
    INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key,
                          manifest, report, photos)
    SELECT gen_random_uuid(), subject_id, 100 + number, profile, 'new/' || id, 1,
           encode(sha256(id::text::bytea), 'hex'),
           'new/m' || id, '{}', '{}', 15 FROM trainings WHERE state = 'queued' AND number < 99
    RETURNING id, subject_id
)
UPDATE trainings t SET state = %(state)s::training_state, dataset_id = d.id, sent = '{}',
       intent_id = gen_random_uuid(), intent_at = now(),
       provider_id = 'new' || t.id, cost_micro_usd = %(cost)s, finished_at = now(),
       error = CASE WHEN %(state)s::text = 'failed' THEN 'out of memory' END
FROM dataset d WHERE t.subject_id = d.subject_id AND t.state = 'queued'
"""
