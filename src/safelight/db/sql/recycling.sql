-- name: remove_image
-- A person takes an image out: hidden at once, deleted when its recycle window is over.
WITH changed AS (
    UPDATE images i SET removed_at = now() FROM generations g
    WHERE i.id = %(id)s AND g.id = i.generation_id AND g.owner_id = %(owner_id)s AND i.removed_at IS NULL
      AND EXISTS (SELECT FROM subjects s WHERE s.id = g.subject_id AND s.erasing_at IS NULL)
    RETURNING i.id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor) SELECT 'image', id, 'stored', 'removed', %(actor)s FROM changed
)
SELECT id FROM changed;

-- name: remove_version
-- A person takes a version out that does not draw; it keeps its state until the window is over.
WITH changed AS (
    UPDATE versions v SET removed_at = now()
    WHERE v.id = %(id)s AND v.owner_id = %(owner_id)s AND v.removed_at IS NULL
      AND EXISTS (SELECT FROM subjects s WHERE s.id = v.subject_id AND s.erasing_at IS NULL)
      AND v.state IN ('candidate', 'archived')
    RETURNING v.id, v.subject_id, v.number
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'subject', subject_id, NULL, 'version removed', %(actor)s,
           jsonb_build_object('version', id, 'number', number) FROM changed
)
SELECT id FROM changed;

-- name: restore_image
-- It is had back, unless the sweep has it.
WITH changed AS (
    UPDATE images i SET removed_at = NULL FROM generations g
    WHERE i.id = %(id)s AND g.id = i.generation_id AND g.owner_id = %(owner_id)s
      AND i.removed_at IS NOT NULL AND i.purged_at IS NULL
      AND EXISTS (SELECT FROM subjects s WHERE s.id = g.subject_id AND s.erasing_at IS NULL)
    RETURNING i.id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor) SELECT 'image', id, 'removed', 'stored', %(actor)s FROM changed
)
SELECT id FROM changed;

-- name: restore_version
-- The same for a version.
WITH changed AS (
    UPDATE versions v SET removed_at = NULL
    WHERE v.id = %(id)s AND v.owner_id = %(owner_id)s AND v.removed_at IS NOT NULL AND v.state <> 'deleted'
      AND EXISTS (SELECT FROM subjects s WHERE s.id = v.subject_id AND s.erasing_at IS NULL)
    RETURNING v.id, v.subject_id, v.number
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'subject', subject_id, NULL, 'version restored', %(actor)s,
           jsonb_build_object('version', id, 'number', number) FROM changed
)
SELECT id FROM changed;

-- name: restore_photo
-- The same for a photo; the next training's inspection judges it anew.
WITH changed AS (
    UPDATE photos p SET state = 'stored', removed_at = NULL FROM subjects s
    WHERE p.id = %(id)s AND s.id = p.subject_id AND s.owner_id = %(owner_id)s AND s.erasing_at IS NULL
      AND p.state = 'removed' AND p.purged_at IS NULL AND p.bytes IS NOT NULL
    RETURNING p.id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor) SELECT 'photo', id, 'removed', 'stored', %(actor)s FROM changed
)
SELECT id FROM changed;

-- name: list_recycled
-- What was removed and can be had back, newest first, a page by id.
SELECT * FROM (
    SELECT 'photo' AS noun, p.id, p.subject_id, p.name, p.bytes, p.removed_at
    FROM photos p JOIN subjects s ON s.id = p.subject_id
    WHERE s.owner_id = %(owner_id)s AND p.state = 'removed' AND p.purged_at IS NULL AND p.bytes IS NOT NULL
    UNION ALL
    SELECT 'image', i.id, g.subject_id, 'image ' || i.number, i.bytes, i.removed_at
    FROM images i JOIN generations g ON g.id = i.generation_id
    WHERE g.owner_id = %(owner_id)s AND i.removed_at IS NOT NULL AND i.purged_at IS NULL
    UNION ALL
    SELECT 'version', v.id, v.subject_id, 'version ' || v.number, v.weights_bytes, v.removed_at
    FROM versions v
    WHERE v.owner_id = %(owner_id)s AND v.removed_at IS NOT NULL AND v.state <> 'deleted'
) recycled
WHERE (%(after)s::uuid IS NULL OR id < %(after)s)
  AND EXISTS (SELECT FROM subjects s WHERE s.id = recycled.subject_id AND s.erasing_at IS NULL)
ORDER BY id DESC LIMIT %(limit)s;

-- name: owned
-- What an owner's id names, of what can be held.
SELECT noun FROM (
    SELECT 'owner' AS noun, o.id, o.id AS owner_id, NULL::uuid AS subject_id FROM owners o
    UNION ALL SELECT 'subject', s.id, s.owner_id, s.id FROM subjects s
    UNION ALL SELECT 'photo', p.id, s.owner_id, s.id FROM photos p JOIN subjects s ON s.id = p.subject_id
    UNION ALL SELECT 'dataset', d.id, s.owner_id, s.id FROM datasets d JOIN subjects s ON s.id = d.subject_id
    UNION ALL SELECT 'training', t.id, t.owner_id, t.subject_id FROM trainings t
    UNION ALL SELECT 'version', v.id, v.owner_id, v.subject_id FROM versions v
    UNION ALL SELECT 'generation', g.id, g.owner_id, g.subject_id FROM generations g
    UNION ALL SELECT 'image', i.id, g.owner_id, g.subject_id FROM images i JOIN generations g ON g.id = i.generation_id
) things WHERE id = %(id)s AND owner_id = %(owner_id)s
  AND NOT EXISTS (SELECT FROM subjects s WHERE s.id = things.subject_id AND s.erasing_at IS NOT NULL);

-- name: place_hold
-- From now on nothing deletes it, by policy or by hand; one hold a thing.
WITH made AS (
    INSERT INTO holds (id, owner_id, noun, noun_id, reason, placed_by)
    VALUES (%(id)s, %(owner_id)s, %(noun)s, %(noun_id)s, %(reason)s, %(actor)s)
    ON CONFLICT (noun_id) WHERE released_at IS NULL DO NOTHING
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'hold', noun_id, NULL, 'held', %(actor)s, jsonb_build_object('hold', id, 'reason', reason) FROM made
)
SELECT * FROM made;

-- name: release_hold
-- The rules apply to it again.
WITH changed AS (
    UPDATE holds SET released_at = now(), released_by = %(actor)s
    WHERE owner_id = %(owner_id)s AND released_at IS NULL AND %(id)s IN (id, noun_id)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'hold', noun_id, 'held', 'released', %(actor)s, jsonb_build_object('hold', id) FROM changed
)
SELECT * FROM changed;

-- name: list_holds
-- The holds in force, newest first, a page by id.
SELECT * FROM holds
WHERE owner_id = %(owner_id)s AND released_at IS NULL AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s;
