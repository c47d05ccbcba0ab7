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

-- name: to_archive
-- Candidates older than the newest N of their subject that nothing in flight needs, a batch.
SELECT id, subject_id, weights_key, weights_bytes, weights_sha256 FROM (
    SELECT v.*, row_number() OVER (PARTITION BY subject_id ORDER BY number DESC) AS place
    FROM versions v WHERE v.state IN ('candidate', 'active')
) ranked
WHERE place > %(keep)s AND state = 'candidate'
  AND NOT EXISTS (SELECT FROM generations g WHERE g.version_id = ranked.id
                  AND g.state NOT IN ('succeeded', 'failed', 'canceled'))
ORDER BY id LIMIT %(limit)s;

-- name: archive
-- Ours is verified and kept; the provider's copy may go.
WITH changed AS (
    UPDATE versions v SET state = 'archived', archived_at = now()
    WHERE v.id = %(id)s AND v.state = 'candidate'
      AND NOT EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                      AND g.state NOT IN ('succeeded', 'failed', 'canceled'))
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'version', id, 'candidate', 'archived', %(actor)s FROM changed
)
SELECT * FROM changed;

-- name: ask_provider_delete
-- The provider was asked to delete its copy.
UPDATE versions SET provider_delete_asked_at = coalesce(provider_delete_asked_at, now()) WHERE id = %(id)s;

-- name: provider_deleted
-- The provider's copy is gone: seen, not assumed.
UPDATE versions SET provider_deleted_at = coalesce(provider_deleted_at, now()) WHERE id = %(id)s;
