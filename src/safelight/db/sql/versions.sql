-- name: insert_version
-- A version, once its weights are stored and verified (I5). Call it with the subject locked.
WITH made AS (
    INSERT INTO versions (id, owner_id, subject_id, training_id, number, trigger_word, lora_scale, weights_key,
                          weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version,
                          draw_inputs)
    SELECT %(id)s, %(owner_id)s, %(subject_id)s, %(training_id)s, coalesce(max(number), 0) + 1,
           %(trigger_word)s, %(lora_scale)s, %(weights_key)s, %(weights_bytes)s, %(weights_sha256)s,
           %(rank)s, %(tensors)s, %(provider_model)s, %(provider_version)s, %(draw_inputs)s
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
WHERE v.id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR v.owner_id = %(owner_id)s AND s.erasing_at IS NULL);

-- name: version_of_training
-- The version a training made.
SELECT * FROM versions WHERE training_id = %(training_id)s;

-- name: active_version
-- The subject's active version.
SELECT * FROM versions WHERE subject_id = %(subject_id)s AND state = 'active';

-- name: list_versions
-- Versions, newest first, a page by keyset.
SELECT v.*, s.name AS subject_name FROM versions v JOIN subjects s ON s.id = v.subject_id
WHERE v.owner_id = %(owner_id)s AND s.erasing_at IS NULL AND v.removed_at IS NULL
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
-- This version draws from now on; whoever makes it draw approves it. Stand the other one down first.
WITH changed AS (
    UPDATE versions SET state = 'active', activated_at = now(),
        approved_at = coalesce(approved_at, now()), approved_by = coalesce(approved_by, %(actor)s),
        approved_why = coalesce(approved_why, %(why)s),
        rejected_at = NULL, rejected_by = NULL, rejected_why = NULL
    WHERE id = %(id)s AND state = 'candidate' AND removed_at IS NULL AND provider_version IS NOT NULL RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, 'candidate', 'active', %(actor)s, %(detail)s FROM changed
)
SELECT * FROM changed;

-- name: approve
-- It may draw for users from now on; which version draws by itself stays as it was.
WITH changed AS (
    UPDATE versions SET approved_at = now(), approved_by = %(actor)s, approved_why = %(why)s,
                        rejected_at = NULL, rejected_by = NULL, rejected_why = NULL
    WHERE id = %(id)s AND state = 'candidate' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, state::text, state::text, %(actor)s, jsonb_build_object('approved', approved_why) FROM changed
)
SELECT * FROM changed;

-- name: reject
-- It may not draw for users; what was approved before stays on record beside it.
WITH changed AS (
    UPDATE versions SET rejected_at = now(), rejected_by = %(actor)s, rejected_why = %(why)s
    WHERE id = %(id)s AND state = 'candidate' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, state::text, state::text, %(actor)s, jsonb_build_object('rejected', rejected_why) FROM changed
)
SELECT * FROM changed;

-- name: before_it
-- The version that drew last before the one that draws now, and is still approved.
SELECT * FROM versions
WHERE subject_id = %(subject_id)s AND state = 'candidate' AND activated_at IS NOT NULL
  AND approved_at IS NOT NULL AND rejected_at IS NULL AND provider_version IS NOT NULL
ORDER BY activated_at DESC, number DESC LIMIT 1;

-- name: tune
-- The scale and the guidance it draws with; what is not given stays as it is.
WITH target AS (
    SELECT id, lora_scale, guidance FROM versions
    WHERE id = %(id)s AND state IN ('candidate', 'active') FOR UPDATE
), changed AS (
    UPDATE versions v SET lora_scale = coalesce(%(lora_scale)s, v.lora_scale),
                          guidance = coalesce(%(guidance)s, v.guidance)
    FROM target WHERE v.id = target.id
    RETURNING v.*, target.lora_scale AS scale_before, target.guidance AS guidance_before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, state::text, state::text, %(actor)s,
           jsonb_build_object('lora_scale', lora_scale, 'lora_scale_before', scale_before,
                              'guidance', guidance, 'guidance_before', guidance_before, 'reason', %(why)s::text)
    FROM changed
)
SELECT * FROM changed;

-- name: import_version
-- A version trained elsewhere, with what is known of it; the same one twice gives no row. Subject locked.
WITH made AS (
    INSERT INTO versions (id, owner_id, subject_id, origin, number, trigger_word, lora_scale, weights_key,
                          weights_bytes, weights_sha256, rank, tensors, provider_model, provider_version,
                          draw_inputs, known)
    SELECT %(id)s, %(owner_id)s, %(subject_id)s, 'imported', coalesce(max(number), 0) + 1,
           %(trigger_word)s, %(lora_scale)s, %(weights_key)s, %(weights_bytes)s, %(weights_sha256)s,
           %(rank)s, %(tensors)s, %(provider_model)s, %(provider_version)s, %(draw_inputs)s, %(known)s
    FROM versions WHERE subject_id = %(subject_id)s
    ON CONFLICT (subject_id, provider_model, provider_version)
        WHERE origin = 'imported' AND provider_version IS NOT NULL AND state <> 'deleted' DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, NULL, 'candidate', %(actor)s,
           jsonb_build_object('imported', true, 'sha256', weights_sha256, 'provider_version', provider_version)
    FROM made
)
SELECT * FROM made;

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
    WHERE id = %(id)s AND archived_at IS NOT NULL AND provider_deleted_at IS NULL AND origin = 'trained'
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
-- It does not delete it, or not yet. What was refused is asked for again at the next look. `over`: it
-- is left to a person, and the clock starts anew with a retry.
UPDATE versions SET provider_delete_error = %(error)s,
    provider_delete_asked_at = CASE WHEN %(over)s THEN NULL ELSE provider_delete_asked_at END,
    provider_delete_sent_at = CASE WHEN %(over)s OR %(refused)s THEN NULL ELSE provider_delete_sent_at END
WHERE id = %(id)s;

-- name: provider_deleted
-- The provider's copy is gone: seen, not assumed.
UPDATE versions SET provider_deleted_at = coalesce(provider_deleted_at, now()), provider_delete_error = NULL
WHERE id = %(id)s;

-- name: set_weights
-- What the weights hold, layer by layer, and what the trainer did otherwise than it was told.
UPDATE versions SET weights = %(weights)s, marks = %(marks)s WHERE id = %(id)s RETURNING *;
