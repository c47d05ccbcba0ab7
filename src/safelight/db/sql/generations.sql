-- name: insert_generation
-- Images are asked for.
WITH made AS (
    INSERT INTO generations (id, owner_id, subject_id, version_id, purpose, prompt, asked_prompt, changes, preset,
                             input)
    VALUES (%(id)s, %(owner_id)s, %(subject_id)s, %(version_id)s, %(purpose)s, %(prompt)s, %(asked_prompt)s,
            %(changes)s, %(preset)s, %(input)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'generation', id, NULL, 'queued', %(actor)s, jsonb_build_object('purpose', purpose) FROM made
)
SELECT * FROM made;

-- name: get_generation
-- One generation; an owner, where given, sees only its own, and none of a subject that is being erased.
SELECT * FROM generations t WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = t.subject_id AND s.erasing_at IS NULL));

-- name: lock_generation
-- One generation, locked.
SELECT * FROM generations t WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = t.subject_id AND s.erasing_at IS NULL))
FOR UPDATE;

-- name: list_generations
-- Generations, newest first, a page by keyset.
SELECT g.* FROM generations g JOIN subjects s ON s.id = g.subject_id
WHERE g.owner_id = %(owner_id)s AND s.erasing_at IS NULL
  AND (%(subject_id)s::uuid IS NULL OR g.subject_id = %(subject_id)s)
  AND (%(version_id)s::uuid IS NULL OR g.version_id = %(version_id)s)
  AND (%(after)s::uuid IS NULL OR g.id < %(after)s)
ORDER BY g.id DESC LIMIT %(limit)s;

-- name: move_generation
-- From one of the states named to another; no row: it stands elsewhere by now.
WITH target AS (
    SELECT id, state FROM generations
    WHERE id = %(id)s AND state = ANY(%(before)s::generation_state[]) FOR UPDATE
), changed AS (
    UPDATE generations SET
        state = %(after)s,
        error = coalesce(%(error)s, error),
        finished_at = CASE WHEN %(after)s::generation_state IN ('succeeded', 'failed', 'canceled') THEN now() END
    FROM target WHERE generations.id = target.id
    RETURNING generations.*, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'generation', id, before::text, state::text, %(actor)s, %(detail)s FROM changed
)
SELECT * FROM changed;

-- name: set_intent
-- The mark by which a request is found in the provider's list, committed before it is sent.
UPDATE generations SET intent_id = %(intent_id)s, intent_at = now() WHERE id = %(id)s;

-- name: sent_seconds
-- Seconds since the request left.
SELECT extract(epoch FROM now() - intent_at)::float8 AS seconds FROM generations WHERE id = %(id)s;

-- name: set_accepted
-- The provider's id for it.
UPDATE generations SET provider_id = %(provider_id)s, provider_status = %(status)s, accepted_at = now()
WHERE id = %(id)s;

-- name: in_flight
-- What is to be watched: everything the provider has accepted and not ended.
SELECT id, subject_id, owner_id, provider_id, provider_status, accepted_at,
       extract(epoch FROM now() - accepted_at)::float8 AS age_seconds,
       extract(epoch FROM now() - watched_at)::float8 AS watched_seconds, 0.0::float8 AS log_age,
       NULL::integer AS step, NULL::integer AS steps, NULL::text AS cancel_reason
FROM generations WHERE state = 'drawing' ORDER BY accepted_at;

-- name: in_flight_one
-- One run, if it is in flight.
SELECT id, subject_id, owner_id, provider_id, provider_status, accepted_at,
       extract(epoch FROM now() - accepted_at)::float8 AS age_seconds,
       extract(epoch FROM now() - watched_at)::float8 AS watched_seconds, 0.0::float8 AS log_age,
       NULL::integer AS step, NULL::integer AS steps, NULL::text AS cancel_reason
FROM generations WHERE id = %(id)s AND state = 'drawing';

-- name: observe
-- What the provider shows of a generation in flight.
UPDATE generations SET
    provider_status = %(status)s, output = coalesce(%(output)s, output),
    predict_seconds = coalesce(%(predict_seconds)s, predict_seconds),
    cost_micro_usd = coalesce(%(cost_micro_usd)s, cost_micro_usd), watched_at = now()
WHERE id = %(id)s AND state = 'drawing';

-- name: insert_image
-- An image, once it is stored.
INSERT INTO images (id, generation_id, number, key, bytes, sha256, width, height, format)
VALUES (%(id)s, %(generation_id)s, %(number)s, %(key)s, %(bytes)s, %(sha256)s, %(width)s, %(height)s, %(format)s)
ON CONFLICT (generation_id, number) DO NOTHING;

-- name: images_of_generations
-- The images of some generations that were not removed.
SELECT * FROM images WHERE generation_id = ANY(%(ids)s::uuid[]) AND removed_at IS NULL ORDER BY generation_id, number;

-- name: ask_cancel
-- A person asks for it to stop.
UPDATE generations SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = %(id)s;

-- name: accepted_since
-- The provider's ids of what was accepted since then, with a margin for clocks.
SELECT provider_id FROM generations
WHERE provider_id IS NOT NULL AND accepted_at > %(since)s - interval '10 min';

-- name: is_known
-- Whether a request of ours bears this provider's id.
SELECT 1 AS yes FROM generations WHERE provider_id = %(provider_id)s;
