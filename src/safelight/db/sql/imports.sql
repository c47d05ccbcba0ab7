-- name: insert_import
-- A version trained elsewhere is asked for.
WITH made AS (
    INSERT INTO imports (id, owner_id, subject_id, model, trigger_word, lora_scale, asked_by)
    VALUES (%(id)s, %(owner_id)s, %(subject_id)s, %(model)s, %(trigger_word)s, %(lora_scale)s, %(actor)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'import', id, NULL, 'waiting', %(actor)s, jsonb_build_object('model', model) FROM made
)
SELECT * FROM made;

-- name: get_import
-- One import; an owner, where given, sees only its own, and none of a subject that is being erased.
SELECT * FROM imports i WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = i.subject_id AND s.erasing_at IS NULL));

-- name: list_imports
-- Imports, newest first, a page by keyset.
SELECT i.* FROM imports i JOIN subjects s ON s.id = i.subject_id
WHERE i.owner_id = %(owner_id)s AND s.erasing_at IS NULL
  AND (%(subject_id)s::uuid IS NULL OR i.subject_id = %(subject_id)s)
  AND (%(after)s::uuid IS NULL OR i.id < %(after)s)
ORDER BY i.id DESC LIMIT %(limit)s;

-- name: waiting_import
-- The same import, if it was asked for and has not ended.
SELECT * FROM imports
WHERE subject_id = %(subject_id)s AND model = %(model)s AND state = 'waiting' LIMIT 1;

-- name: finish_import
-- It became a version, or did not, and why; no row: it has ended before.
WITH changed AS (
    UPDATE imports SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END,
                       version_id = %(version_id)s, error = %(error)s, finished_at = now()
    WHERE id = %(id)s AND state = 'waiting' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'import', id, 'waiting', state, %(actor)s,
           jsonb_strip_nulls(jsonb_build_object('version', version_id, 'error', error)) FROM changed
)
SELECT id FROM changed;
