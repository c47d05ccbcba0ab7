-- name: ensure_owner
-- The owner with this name, made on first use.
WITH made AS (
    INSERT INTO owners (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT (name) DO NOTHING RETURNING *
)
SELECT * FROM made UNION ALL SELECT * FROM owners WHERE name = %(name)s LIMIT 1;

-- name: get_owner
-- One owner.
SELECT * FROM owners WHERE id = %(id)s;

-- name: set_policy
-- How this owner's versions come to draw, and photos are stored; what is not given stays as it is.
WITH changed AS (
    UPDATE owners SET approval = coalesce(%(approval)s, approval),
                      draw_unapproved = coalesce(%(draw_unapproved)s, draw_unapproved),
                      keep_location = coalesce(%(keep_location)s, keep_location)
    WHERE id = %(id)s RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'owner', id, 'made', 'made', %(actor)s,
           jsonb_build_object('approval', approval, 'draw_unapproved', draw_unapproved,
                              'keep_location', keep_location) FROM changed
)
SELECT * FROM changed;

-- name: insert_key
-- A new API key: its hash, never the key.
WITH made AS (
    INSERT INTO api_keys (id, owner_id, label, key_hash, scopes, expires_at)
    VALUES (%(id)s, %(owner_id)s, %(label)s, %(key_hash)s, %(scopes)s::text[],
            now() + make_interval(days => %(days)s))
    RETURNING id, owner_id, label, scopes, created_at, expires_at, last_used_at, revoked_at
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'key', id, NULL, 'made', %(actor)s, jsonb_build_object('label', label, 'scopes', scopes) FROM made
)
SELECT * FROM made;

-- name: owner_of_key
-- Whose key this is and what it may do, unless it was revoked or its time is over. That it was used is noted
-- once a minute; who comes at the same moment does not wait to note it.
WITH key AS (
    SELECT id, owner_id, scopes FROM api_keys
    WHERE key_hash = %(key_hash)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
), used AS (
    UPDATE api_keys SET last_used_at = now() WHERE id = (
        SELECT k.id FROM api_keys k JOIN key USING (id)
        WHERE k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 min'
        FOR UPDATE OF k SKIP LOCKED)
)
SELECT o.*, key.id AS key_id, key.scopes FROM key JOIN owners o ON o.id = key.owner_id;

-- name: list_keys
-- The keys of an owner.
SELECT id, owner_id, label, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_keys WHERE owner_id = %(owner_id)s ORDER BY id;

-- name: revoke_key
-- From now on this key opens nothing.
WITH changed AS (
    UPDATE api_keys SET revoked_at = now()
    WHERE id = %(id)s AND owner_id = %(owner_id)s AND revoked_at IS NULL RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'key', id, 'made', 'revoked', %(actor)s FROM changed
)
SELECT id FROM changed;

-- name: lock_idempotency_key
-- Hold the key until this transaction ends, however it ends; false: another transaction has it.
SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency:' || %(owner_id)s::text || ':' || %(key)s, 0)) AS ours;

-- name: take_idempotency_key
-- The first request with this key takes it; a key older than a day is free again.
INSERT INTO idempotency_keys AS k (owner_id, key, request_hash)
VALUES (%(owner_id)s, %(key)s, %(request_hash)s)
ON CONFLICT (owner_id, key) DO UPDATE
    SET request_hash = excluded.request_hash, status = NULL, response = NULL, created_at = now()
    WHERE k.created_at < now() - interval '1 day'
RETURNING true AS taken;

-- name: get_idempotency_key
-- What the first request with this key asked and was answered.
SELECT request_hash, status, response FROM idempotency_keys WHERE owner_id = %(owner_id)s AND key = %(key)s;

-- name: answer_idempotency_key
-- Keep the answer, so that the same request gets it again.
UPDATE idempotency_keys SET status = %(status)s, response = %(response)s
WHERE owner_id = %(owner_id)s AND key = %(key)s;

-- name: forget_idempotency_keys
-- Keys are honoured for a day.
DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day';
