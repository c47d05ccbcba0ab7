-- name: insert_photo
-- A photo: `awaited` (to be uploaded) or `stored`. The same file sent twice gives no row.
WITH made AS (
    INSERT INTO photos (id, subject_id, name, key, state, caption, bytes, sha256, said_bytes,
                        said_sha256, location_removed)
    VALUES (%(id)s, %(subject_id)s, %(name)s, %(key)s, %(state)s, %(caption)s, %(bytes)s, %(sha256)s,
            %(said_bytes)s, %(said_sha256)s, %(location_removed)s)
    ON CONFLICT (subject_id, name, sha256) WHERE state <> 'removed' DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'photo', id, NULL, state::text, %(actor)s,
           CASE WHEN location_removed IS NOT NULL THEN jsonb_build_object('location_removed', location_removed) END
    FROM made
)
SELECT * FROM made;

-- name: find_photo
-- The photo of this name and content, if it is there already: of either content, with its location or without.
SELECT * FROM photos
WHERE subject_id = %(subject_id)s AND name = %(name)s AND sha256 = ANY(%(sha256s)s) AND state <> 'removed'
ORDER BY id LIMIT 1;

-- name: find_twin
-- The name of a photo, if another of its subject is this file under this name already.
SELECT p.name FROM photos p
WHERE p.id = %(id)s AND p.state <> 'removed' AND EXISTS (SELECT FROM photos o WHERE o.subject_id = p.subject_id AND o.name = p.name
    AND o.sha256 = %(sha256)s AND o.id <> p.id AND o.state <> 'removed');

-- name: recaption
-- The same file came with another caption than it had.
UPDATE photos SET caption = %(caption)s WHERE id = %(id)s AND caption IS DISTINCT FROM %(caption)s
RETURNING *;

-- name: confirm_upload
-- An awaited photo has arrived.
WITH changed AS (
    UPDATE photos SET state = 'stored', bytes = %(bytes)s, etag = %(etag)s
    WHERE id = %(id)s AND state = 'awaited' RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'photo', id, 'awaited', 'stored', %(actor)s FROM changed
)
SELECT * FROM changed;

-- name: get_photo
-- One photo of an owner; what is of a subject that is being erased is gone for every door.
SELECT p.* FROM photos p JOIN subjects s ON s.id = p.subject_id
WHERE p.id = %(id)s AND s.owner_id = %(owner_id)s AND s.erasing_at IS NULL;

-- name: list_photos
-- The photos of a subject in the order they came, a page by keyset.
SELECT p.* FROM photos p JOIN subjects s ON s.id = p.subject_id
WHERE p.subject_id = %(subject_id)s AND s.owner_id = %(owner_id)s AND s.erasing_at IS NULL AND p.state <> 'removed'
  AND (%(after)s::uuid IS NULL OR p.id > %(after)s)
ORDER BY p.id LIMIT %(limit)s;

-- name: photos_to_train_on
-- Every photo of a subject that has arrived and was not removed.
SELECT * FROM photos WHERE subject_id = %(subject_id)s AND state IN ('stored', 'accepted', 'rejected') ORDER BY id;

-- name: record_inspection
-- What was measured of a photo, and whether it can be used. One that was removed stays so: it is of a set that is
-- trained on again, and its object may have been replaced by one without its location.
WITH target AS (
    SELECT id, state FROM photos
    WHERE id = %(id)s AND state IN ('stored', 'accepted', 'rejected', 'removed') AND purged_at IS NULL FOR UPDATE
), changed AS (
    UPDATE photos p
    SET state = CASE WHEN target.state = 'removed' THEN target.state ELSE %(state)s::photo_state END, facts = %(facts)s, findings = %(findings)s, inspected_at = now(),
        sha256 = coalesce(%(sha256)s, p.sha256), bytes = coalesce(%(bytes)s, p.bytes),
        location_removed = coalesce(%(location_removed)s, p.location_removed),
        sha256_before = CASE WHEN p.sha256 = %(sha256_before)s THEN p.sha256 ELSE p.sha256_before END
    FROM target WHERE p.id = target.id
    RETURNING p.id, p.state, target.state AS before
)
INSERT INTO events (noun, noun_id, before, after, actor, detail)
SELECT 'photo', id, before::text, state::text, %(actor)s,
       CASE WHEN %(location_now)s::jsonb IS NOT NULL
            THEN jsonb_build_object('location_removed', %(location_now)s::jsonb) END
FROM changed WHERE before <> state OR %(location_now)s::jsonb IS NOT NULL;

-- name: remove_photo
-- A person takes a photo out; it is not trained on again.
WITH target AS (
    SELECT p.id, p.state FROM photos p JOIN subjects s ON s.id = p.subject_id
    WHERE p.id = %(id)s AND s.owner_id = %(owner_id)s AND s.erasing_at IS NULL AND p.state <> 'removed' FOR UPDATE OF p
), changed AS (
    UPDATE photos SET state = 'removed', removed_at = now() FROM target WHERE photos.id = target.id
    RETURNING photos.id, photos.key, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'photo', id, before::text, 'removed', %(actor)s FROM changed
)
SELECT id, key FROM changed;

-- name: remove_awaited
-- Uploads that never came.
WITH changed AS (
    UPDATE photos SET state = 'removed', removed_at = now(), purged_at = now()
    WHERE key = ANY(%(keys)s::text[]) AND state = 'awaited' RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'photo', id, 'awaited', 'removed', %(actor)s FROM changed
)
SELECT id FROM changed;
