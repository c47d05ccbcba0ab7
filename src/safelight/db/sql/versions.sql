-- name: insert_version
-- A version, once its weights are stored and verified (I5). Call it with the subject locked.
WITH made AS (
    INSERT INTO versions (id, owner_id, subject_id, training_id, number, trigger_word, lora_scale, weights_key,
                          weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version)
    SELECT %(id)s, %(owner_id)s, %(subject_id)s, %(training_id)s, coalesce(max(number), 0) + 1,
           %(trigger_word)s, %(lora_scale)s, %(weights_key)s, %(weights_bytes)s, %(weights_sha256)s,
           %(rank)s, %(tensors)s, %(provider_model)s, %(provider_version)s
    FROM versions WHERE subject_id = %(subject_id)s
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, NULL, 'candidate', %(actor)s, jsonb_build_object('sha256', weights_sha256) FROM made
)
SELECT * FROM made;

-- name: get_version
-- One version; an owner, where given, sees only its own.
SELECT v.*, s.name AS subject_name, s.kind AS subject_kind FROM versions v JOIN subjects s ON s.id = v.subject_id
WHERE v.id = %(id)s AND (%(owner_id)s::uuid IS NULL OR v.owner_id = %(owner_id)s);

-- name: version_of_training
-- The version a training made.
SELECT * FROM versions WHERE training_id = %(training_id)s;

-- name: active_version
-- The subject's active version.
SELECT * FROM versions WHERE subject_id = %(subject_id)s AND state = 'active';

-- name: list_versions
-- Versions, newest first, a page by keyset.
SELECT v.*, s.name AS subject_name FROM versions v JOIN subjects s ON s.id = v.subject_id
WHERE v.owner_id = %(owner_id)s
  AND (%(subject_id)s::uuid IS NULL OR v.subject_id = %(subject_id)s)
  AND (%(after)s::uuid IS NULL OR v.id < %(after)s)
ORDER BY v.id DESC LIMIT %(limit)s;

-- name: stand_down
-- The active version steps back; it keeps everything and can be made active again.
WITH changed AS (
    UPDATE versions SET state = 'candidate' WHERE subject_id = %(subject_id)s AND state = 'active' RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, 'active', 'candidate', %(actor)s, %(detail)s FROM changed
)
SELECT id FROM changed;

-- name: activate
-- This version draws from now on. Stand the other one down first.
WITH changed AS (
    UPDATE versions SET state = 'active', activated_at = now()
    WHERE id = %(id)s AND state = 'candidate' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, 'candidate', 'active', %(actor)s, %(detail)s FROM changed
)
SELECT * FROM changed;

-- name: archive
-- Ours is verified and kept; the provider's copy may go.
WITH changed AS (
    UPDATE versions v SET state = 'archived', archived_at = now(), storage_class = %(storage_class)s
    WHERE v.id = %(id)s AND v.state = 'candidate' AND NOT held(v.id, v.subject_id, v.owner_id)
      AND NOT EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                      AND g.state NOT IN ('succeeded', 'failed', 'canceled'))
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'version', id, 'candidate', 'archived', %(actor)s FROM changed
)
SELECT * FROM changed;

-- name: ask_provider_delete
-- Before the provider is asked to delete its copy: since when, and whether it is to be asked (again) now.
WITH target AS (
    SELECT id, provider_delete_sent_at IS NULL
               OR provider_delete_sent_at < now() - make_interval(secs => %(again)s) AS ask
    FROM versions
    WHERE id = %(id)s AND archived_at IS NOT NULL AND provider_deleted_at IS NULL
      AND NOT held(id, subject_id, owner_id)
    FOR UPDATE
)
UPDATE versions v SET
    provider_delete_asked_at = coalesce(v.provider_delete_asked_at, now()),
    provider_delete_sent_at = CASE WHEN target.ask THEN now() ELSE v.provider_delete_sent_at END
FROM target WHERE v.id = target.id
RETURNING v.provider_model, v.provider_version, target.ask,
          extract(epoch FROM now() - v.provider_delete_asked_at)::float8 AS seconds;

-- name: provider_refused
-- It does not delete it, or not yet. `over`: it is left to a person, and the clock starts anew with a retry.
UPDATE versions SET provider_delete_error = %(error)s,
    provider_delete_asked_at = CASE WHEN %(over)s THEN NULL ELSE provider_delete_asked_at END,
    provider_delete_sent_at = CASE WHEN %(over)s THEN NULL ELSE provider_delete_sent_at END
WHERE id = %(id)s;

-- name: provider_deleted
-- The provider's copy is gone: seen, not assumed.
UPDATE versions SET provider_deleted_at = coalesce(provider_deleted_at, now()), provider_delete_error = NULL
WHERE id = %(id)s;
