-- name: note
-- An object that exists only for a while: noted before it is put, so that none is forgotten.
INSERT INTO temporary_objects (key, purpose, subject_id, training_id, expires_at)
VALUES (%(key)s, %(purpose)s, %(subject_id)s, %(training_id)s, now() + make_interval(secs => %(seconds)s))
ON CONFLICT (key) DO UPDATE SET expires_at = greatest(temporary_objects.expires_at, excluded.expires_at);

-- name: keep
-- No longer temporary.
DELETE FROM temporary_objects WHERE key = %(key)s;

-- name: forget
-- They are deleted from the store, and no strays any more.
WITH gone AS (DELETE FROM temporary_objects WHERE key = ANY(%(keys)s::text[]) RETURNING key, purpose)
DELETE FROM strays USING gone WHERE gone.purpose = 'orphan' AND strays.place = 'store' AND strays.name = gone.key;
