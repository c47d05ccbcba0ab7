-- name: insert_audit
-- An audit that reads every object is asked for. Of those before, the newest few stay.
WITH old AS (
    DELETE FROM audits WHERE id IN (
        SELECT id FROM audits WHERE subject_id = %(subject_id)s AND state <> 'waiting'
        ORDER BY id DESC OFFSET %(keep)s)
), made AS (
    INSERT INTO audits (id, owner_id, subject_id, asked_by)
    VALUES (%(id)s, %(owner_id)s, %(subject_id)s, %(actor)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'audit', id, NULL, 'waiting', %(actor)s FROM made
)
SELECT * FROM made;

-- name: get_audit
-- One audit; an owner, where given, sees only its own, and none of a subject that is being erased.
SELECT * FROM audits a WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = a.subject_id AND s.erasing_at IS NULL));

-- name: waiting_audit
-- The subject's audit that has not ended, if one was asked for.
SELECT * FROM audits WHERE subject_id = %(subject_id)s AND state = 'waiting' LIMIT 1;

-- name: finish_audit
-- What was found, or why nothing was; no row: it has ended before.
WITH changed AS (
    UPDATE audits SET state = CASE WHEN %(error)s::text IS NULL THEN 'done' ELSE 'failed' END,
                      result = %(result)s, error = %(error)s, finished_at = now()
    WHERE id = %(id)s AND state = 'waiting' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'audit', id, 'waiting', state, %(actor)s FROM changed
)
SELECT id FROM changed;
