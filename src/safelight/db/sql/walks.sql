-- name: open_walk
-- The walk that is under way, or a new one.
WITH made AS (
    INSERT INTO walks (id, place) VALUES (%(id)s, %(place)s)
    ON CONFLICT (place) WHERE finished_at IS NULL DO NOTHING
    RETURNING *
)
SELECT id, cursor FROM made
UNION ALL SELECT id, cursor FROM walks WHERE place = %(place)s AND finished_at IS NULL
LIMIT 1;

-- name: known_keys
-- The next keys that rows name, in the store's order (by bytes). An object that is only noted as
-- temporary, or awaited, need not be there; an orphan's note is not what makes it known.
SELECT key, noun, noun_id, expected FROM (
    (SELECT key COLLATE "C" AS key, 'photo' AS noun, id AS noun_id, state <> 'awaited' AS expected FROM photos
     WHERE purged_at IS NULL AND key COLLATE "C" > %(after)s ORDER BY key COLLATE "C" LIMIT %(limit)s)
    UNION ALL
    (SELECT key COLLATE "C", 'dataset', id, true FROM datasets
     WHERE purged_at IS NULL AND key COLLATE "C" > %(after)s ORDER BY key COLLATE "C" LIMIT %(limit)s)
    UNION ALL
    (SELECT manifest_key COLLATE "C", 'dataset', id, true FROM datasets
     WHERE purged_at IS NULL AND manifest_key COLLATE "C" > %(after)s
     ORDER BY manifest_key COLLATE "C" LIMIT %(limit)s)
    UNION ALL
    (SELECT weights_key COLLATE "C", 'version', id, true FROM versions
     WHERE state <> 'deleted' AND weights_key COLLATE "C" > %(after)s
     ORDER BY weights_key COLLATE "C" LIMIT %(limit)s)
    UNION ALL
    (SELECT key COLLATE "C", 'image', id, true FROM images
     WHERE purged_at IS NULL AND key COLLATE "C" > %(after)s ORDER BY key COLLATE "C" LIMIT %(limit)s)
    UNION ALL
    (SELECT key COLLATE "C", 'temporary', NULL, false FROM temporary_objects
     WHERE purpose <> 'orphan' AND key COLLATE "C" > %(after)s ORDER BY key COLLATE "C" LIMIT %(limit)s)
) known
ORDER BY key LIMIT %(limit)s;

-- name: report_unknown
-- Objects that no row knows, unless what they may belong to is at work: reported, and where they are
-- ours to delete noted as orphans.
WITH found AS (
    SELECT * FROM unnest(%(keys)s::text[], %(sizes)s::bigint[], %(ours)s::boolean[]) AS f (key, bytes, ours)
    WHERE NOT EXISTS (SELECT FROM temporary_objects t WHERE t.key COLLATE "C" = f.key AND t.purpose <> 'orphan')
      AND NOT EXISTS (SELECT FROM photos x WHERE x.key COLLATE "C" = f.key AND x.purged_at IS NULL)
      AND NOT EXISTS (SELECT FROM images x WHERE x.key COLLATE "C" = f.key AND x.purged_at IS NULL)
      AND NOT EXISTS (SELECT FROM versions x WHERE x.weights_key COLLATE "C" = f.key AND x.state <> 'deleted')
      AND NOT EXISTS (SELECT FROM datasets x WHERE x.key COLLATE "C" = f.key AND x.purged_at IS NULL)
      AND NOT EXISTS (SELECT FROM datasets x WHERE x.manifest_key COLLATE "C" = f.key AND x.purged_at IS NULL)
      AND NOT EXISTS (
          SELECT FROM regexp_matches(f.key, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') AS m (ids)
          WHERE has_open_job(m.ids[1]::uuid)
             OR EXISTS (SELECT FROM trainings r WHERE r.id = m.ids[1]::uuid AND r.finished_at IS NULL)
             OR EXISTS (SELECT FROM generations g WHERE g.id = m.ids[1]::uuid AND g.finished_at IS NULL))
), noted AS (
    INSERT INTO temporary_objects (key, purpose, bytes, expires_at)
    SELECT key, 'orphan', bytes, now() FROM found WHERE ours
    ON CONFLICT (key) DO NOTHING
)
INSERT INTO strays (place, name, what, bytes, detail, walk_id)
SELECT 'store', key, 'unknown', bytes, CASE WHEN ours THEN 'an orphan' ELSE 'not in a folder of ours: left alone' END,
       %(walk_id)s
FROM found
ON CONFLICT (place, name) DO UPDATE SET walk_id = excluded.walk_id, what = excluded.what, bytes = excluded.bytes,
                                        detail = excluded.detail, noun = NULL, noun_id = NULL
RETURNING name;

-- name: report_missing
-- Rows whose object is gone, if they still name it.
INSERT INTO strays (place, name, what, noun, noun_id, detail, walk_id)
SELECT 'store', f.key, 'missing', f.noun, f.noun_id, 'the row names an object that is not there', %(walk_id)s
FROM unnest(%(keys)s::text[], %(nouns)s::text[], %(ids)s::uuid[]) AS f (key, noun, noun_id)
WHERE EXISTS (SELECT FROM photos x WHERE x.id = f.noun_id AND x.purged_at IS NULL)
   OR EXISTS (SELECT FROM images x WHERE x.id = f.noun_id AND x.purged_at IS NULL)
   OR EXISTS (SELECT FROM versions x WHERE x.id = f.noun_id AND x.state <> 'deleted')
   OR EXISTS (SELECT FROM datasets x WHERE x.id = f.noun_id AND x.purged_at IS NULL)
ON CONFLICT (place, name) DO UPDATE SET walk_id = excluded.walk_id, what = excluded.what, bytes = NULL,
                                        detail = excluded.detail, noun = excluded.noun, noun_id = excluded.noun_id
RETURNING name;

-- name: forget_found
-- Within this stretch, what an earlier walk reported and this one did not is in order by now; an orphan
-- that a row knows by now is none.
WITH passed AS (
    DELETE FROM strays
    WHERE place = 'store' AND walk_id <> %(walk_id)s AND name > %(after)s COLLATE "C"
      AND (%(upto)s::text IS NULL OR name <= %(upto)s COLLATE "C")
    RETURNING name
)
DELETE FROM temporary_objects t USING passed WHERE t.key = passed.name AND t.purpose = 'orphan';

-- name: advance
-- Where the walk stands now; without a cursor it has come to its end.
UPDATE walks SET cursor = coalesce(%(cursor)s, cursor), seen = seen + %(seen)s, bytes = bytes + %(bytes)s,
                 unknown = unknown + %(unknown)s, missing = missing + %(missing)s,
                 finished_at = CASE WHEN %(cursor)s::text IS NULL THEN now() END
WHERE id = %(id)s
RETURNING *;

-- name: last_walks
-- The walk under way and the last that ended, of each place.
(SELECT DISTINCT ON (place) * FROM walks WHERE finished_at IS NOT NULL ORDER BY place, finished_at DESC)
UNION ALL SELECT * FROM walks WHERE finished_at IS NULL;

-- name: list_strays
-- What the walks found, a page by name.
SELECT place, name, what, noun, noun_id, bytes, detail, found_at FROM strays
WHERE (place, name) > (%(place)s, %(after)s) ORDER BY place, name LIMIT %(limit)s;

-- name: next_model
-- The next model at the provider that a row of ours names.
SELECT model FROM (
    SELECT destination AS model FROM trainings WHERE destination IS NOT NULL
    UNION SELECT provider_model FROM versions
) models WHERE model COLLATE "C" > %(after)s ORDER BY model COLLATE "C" LIMIT 1;

-- name: report_remote
-- Versions at the provider that no row knows: reported, never deleted.
INSERT INTO strays (place, name, what, detail, walk_id)
SELECT 'provider', l.name, 'unknown',
       CASE WHEN v.id IS NOT NULL THEN 'seen to be gone once, and listed again' ELSE l.detail END, %(walk_id)s
FROM unnest(%(names)s::text[], %(details)s::text[]) AS l (name, detail)
LEFT JOIN versions v ON v.provider_version = split_part(l.name, ':', 2) AND v.provider_model = split_part(l.name, ':', 1)
WHERE (v.id IS NULL OR v.provider_deleted_at IS NOT NULL)
  AND (v.id IS NOT NULL OR NOT EXISTS (SELECT FROM trainings t WHERE t.output->>'version' = l.name))
ON CONFLICT (place, name) DO UPDATE SET walk_id = excluded.walk_id, detail = excluded.detail
RETURNING name;

-- name: next_drawing
-- The next versions that may still draw, by id.
SELECT id, provider_model AS model, provider_version AS version FROM versions
WHERE state IN ('candidate', 'active') AND provider_version IS NOT NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: report_lost
-- Versions that may still draw and that the provider does not have.
INSERT INTO strays (place, name, what, noun, noun_id, detail, walk_id)
SELECT 'provider', v.provider_model || ':' || v.provider_version, 'missing', 'version', v.id,
       'the provider does not have it: it cannot draw', %(walk_id)s
FROM versions v WHERE v.id = ANY(%(ids)s::uuid[]) AND v.state IN ('candidate', 'active')
ON CONFLICT (place, name) DO UPDATE SET walk_id = excluded.walk_id, detail = excluded.detail
RETURNING name;

-- name: forget_remote
-- At the end of a walk: what an earlier one reported and this one did not is in order by now.
DELETE FROM strays WHERE place = 'provider' AND walk_id <> %(walk_id)s;

-- name: walked_since
-- When the last walk of this place that came to its end was begun.
SELECT max(started_at) AS at FROM walks WHERE place = %(place)s AND finished_at IS NOT NULL;
