-- name: insert_subject
-- A new subject with its trigger word, which never changes; no row: another subject has the word.
WITH made AS (
    INSERT INTO subjects (id, owner_id, name, kind, trigger_word, consented_at, consent_note)
    VALUES (%(id)s, %(owner_id)s, %(name)s, %(kind)s, %(trigger_word)s,
            CASE WHEN %(consent_note)s::text IS NOT NULL THEN now() END, %(consent_note)s)
    ON CONFLICT (trigger_word) DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'subject', id, NULL, 'made', %(actor)s, jsonb_build_object('consent', consent_note) FROM made
)
SELECT * FROM made;

-- name: record_consent
-- The person's consent is on record from now on.
WITH changed AS (
    UPDATE subjects SET consented_at = now(), consent_note = %(consent_note)s
    WHERE id = %(id)s AND owner_id = %(owner_id)s AND consented_at IS NULL AND erasing_at IS NULL RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'subject', id, 'made', 'consented', %(actor)s, jsonb_build_object('consent', consent_note) FROM changed
)
SELECT * FROM changed;

-- name: get_subject
-- One subject of an owner; one that is being erased is gone for every door.
SELECT * FROM subjects WHERE id = %(id)s AND owner_id = %(owner_id)s AND erasing_at IS NULL;

-- name: lock_subject
-- One subject of an owner, locked: what is numbered within it is made one at a time.
SELECT * FROM subjects WHERE id = %(id)s AND owner_id = %(owner_id)s AND erasing_at IS NULL FOR UPDATE;

-- name: find_subject
-- The owner's subject of this name.
SELECT * FROM subjects WHERE owner_id = %(owner_id)s AND name = %(name)s AND erasing_at IS NULL;

-- name: list_subjects
-- The subjects of an owner, newest first, a page by keyset.
SELECT * FROM subjects
WHERE owner_id = %(owner_id)s AND erasing_at IS NULL AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s;
