-- name: count_chosen
-- What a rule chooses, by what protects it (NULL: it goes). The choice is one of the statements below.
SELECT protected_by, count(*) AS things, coalesce(sum(bytes), 0)::bigint AS bytes, min(at) AS oldest
FROM (/*chosen*/) AS chosen GROUP BY protected_by ORDER BY protected_by NULLS FIRST;

-- name: next_chosen
-- A batch of what the same choice lets go, the oldest first.
SELECT id, key, bytes, subject_id FROM (/*chosen*/) AS chosen WHERE protected_by IS NULL ORDER BY at LIMIT %(limit)s;

-- name: versions
-- Candidates beyond the newest N of their subject: to the archive.
SELECT v.id, v.weights_key AS key, v.weights_bytes AS bytes, v.created_at AS at, v.subject_id,
       CASE WHEN v.state = 'active' THEN 'it is active'
            WHEN v.origin = 'imported' THEN 'it was imported: it cannot be trained again'
            WHEN v.created_at > now() - make_interval(secs => %(rollback)s)
              OR EXISTS (SELECT FROM events e WHERE e.noun_id = v.id AND e.before = 'active'
                         AND e.at > now() - make_interval(secs => %(rollback)s)) THEN 'its rollback window'
            WHEN EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                         AND g.state NOT IN ('succeeded', 'failed', 'canceled')) THEN 'a drawing in flight'
            WHEN has_open_job(v.id) THEN 'an open job of its own'
            WHEN held(v.id, v.subject_id, v.owner_id) THEN 'a hold'
       END AS protected_by
FROM (SELECT *, row_number() OVER (PARTITION BY subject_id ORDER BY number DESC) AS place
      FROM versions WHERE state IN ('candidate', 'active') AND removed_at IS NULL) v
WHERE v.place > %(keep)s;

-- name: provider
-- The provider's copies of what is archived, or deleted here.
SELECT v.id, v.provider_model || ':' || v.provider_version AS key, NULL::bigint AS bytes, v.archived_at AS at,
       v.subject_id,
       CASE WHEN v.origin = 'imported' THEN 'it was trained elsewhere: its copy there is not ours'
            WHEN has_open_job(v.id) THEN 'an open job of its own'
            WHEN v.provider_delete_error IS NOT NULL AND v.provider_delete_asked_at IS NULL
            THEN 'a person, who gave it up'
            WHEN held(v.id, v.subject_id, v.owner_id) THEN 'a hold'
       END AS protected_by
FROM versions v
WHERE v.archived_at < now() - make_interval(secs => %(age)s) AND v.provider_deleted_at IS NULL;

-- name: recycled_photos
-- Photos that were removed, and whose recycle window is over.
SELECT p.id, p.key, p.bytes, p.removed_at AS at, p.subject_id,
       CASE WHEN in_training(p.subject_id) THEN 'a live training'
            WHEN held(p.id, p.subject_id, owner_of(p.subject_id)) THEN 'a hold'
       END AS protected_by
FROM photos p
WHERE p.state = 'removed' AND p.purged_at IS NULL AND p.removed_at < now() - make_interval(secs => %(age)s);

-- name: recycled_images
-- Images that were removed, and whose recycle window is over.
SELECT i.id, i.key, i.bytes, i.removed_at AS at, g.subject_id,
       CASE WHEN held(i.id, g.id, g.subject_id, g.owner_id) THEN 'a hold' END AS protected_by
FROM images i JOIN generations g ON g.id = i.generation_id
WHERE i.purged_at IS NULL AND i.removed_at < now() - make_interval(secs => %(age)s);

-- name: recycled_versions
-- Versions that were removed, and whose recycle window is over: with their weights, here and there.
SELECT v.id, v.weights_key AS key, v.weights_bytes AS bytes, v.removed_at AS at, v.subject_id,
       CASE WHEN v.state = 'active' THEN 'it is active'
            WHEN EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                         AND g.state NOT IN ('succeeded', 'failed', 'canceled')) THEN 'a drawing in flight'
            WHEN has_open_job(v.id) THEN 'an open job of its own'
            WHEN held(v.id, v.subject_id, v.owner_id) THEN 'a hold'
       END AS protected_by
FROM versions v
WHERE v.state <> 'deleted' AND v.removed_at < now() - make_interval(secs => %(age)s);

-- name: drawn
-- Images by age: previews beyond the newest N drawings of their version, or what somebody asked for.
SELECT i.id, i.key, i.bytes, i.created_at AS at, g.subject_id,
       CASE WHEN held(i.id, g.id, g.version_id, g.subject_id, g.owner_id) THEN 'a hold' END AS protected_by
FROM images i
JOIN (SELECT g.*, row_number() OVER (PARTITION BY version_id ORDER BY id DESC) AS place
      FROM generations g
      WHERE (g.purpose = 'request') = (%(rule)s <> 'previews')
        AND g.state IN ('succeeded', 'failed', 'canceled')) g ON g.id = i.generation_id
WHERE i.purged_at IS NULL AND g.place > %(keep)s AND i.created_at < now() - make_interval(secs => %(age)s);

-- name: weights
-- Our copies of weights that have been archived for long.
SELECT v.id, v.weights_key AS key, v.weights_bytes AS bytes, v.archived_at AS at, v.subject_id,
       CASE WHEN EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                         AND g.state NOT IN ('succeeded', 'failed', 'canceled')) THEN 'a drawing in flight'
            WHEN has_open_job(v.id) THEN 'an open job of its own'
            WHEN held(v.id, v.subject_id, v.owner_id) THEN 'a hold'
       END AS protected_by
FROM versions v
WHERE v.state = 'archived' AND v.archived_at < now() - make_interval(secs => %(age)s);

-- name: datasets
-- Zips and manifests of sets beyond the newest N of their subject.
SELECT d.id, d.key, d.bytes, d.created_at AS at, d.subject_id,
       CASE WHEN in_training(d.subject_id) THEN 'a live training'
            WHEN EXISTS (SELECT FROM trainings t JOIN versions v ON v.training_id = t.id
                         WHERE t.dataset_id = d.id AND v.state <> 'deleted') THEN 'a version made of it'
            WHEN held(d.id, d.subject_id, owner_of(d.subject_id)) THEN 'a hold'
       END AS protected_by
FROM (SELECT *, row_number() OVER (PARTITION BY subject_id ORDER BY number DESC) AS place FROM datasets) d
WHERE d.place > %(keep)s AND d.purged_at IS NULL AND d.created_at < now() - make_interval(secs => %(age)s);

-- name: trackers
-- What a drawing needed while it ran.
SELECT g.id, NULL AS key, length(g.output::text)::bigint AS bytes, g.finished_at AS at, g.subject_id,
       CASE WHEN held(g.id, g.version_id, g.subject_id, g.owner_id) THEN 'a hold' END AS protected_by
FROM generations g
WHERE g.output IS NOT NULL AND g.finished_at < now() - make_interval(secs => %(age)s);

-- name: logs
-- Tails of trainings' logs.
SELECT t.id, NULL AS key, length(t.log_tail)::bigint AS bytes, t.finished_at AS at, t.subject_id,
       CASE WHEN held(t.id, t.subject_id, t.owner_id) THEN 'a hold' END AS protected_by
FROM trainings t
WHERE t.log_tail IS NOT NULL AND t.finished_at < now() - make_interval(secs => %(age)s);

-- name: ledger
-- Jobs that have ended. Their ids are made of their time, so the primary key finds the old ones.
SELECT j.id, NULL AS key, NULL::bigint AS bytes, j.finished_at AS at, j.subject_id,
       CASE WHEN EXISTS (SELECT FROM trainings t WHERE t.id = j.target_id
                         AND t.state NOT IN ('succeeded', 'failed', 'canceled')) THEN 'a live training'
            WHEN held(j.target_id, j.subject_id, j.owner_id) THEN 'a hold'
       END AS protected_by
FROM jobs j
WHERE j.id < rpad(lpad(to_hex(floor(extract(epoch FROM now() - make_interval(secs => %(age)s)) * 1000)::bigint),
                       12, '0'), 32, '0')::uuid
  AND j.finished_at < now() - make_interval(secs => %(age)s);

-- name: events
-- Events of things that are gone or have ended; those of jobs go with their jobs.
SELECT e.id, NULL AS key, NULL::bigint AS bytes, e.at, NULL::uuid AS subject_id,
       CASE WHEN e.noun = 'subject' AND EXISTS (SELECT FROM subjects s WHERE s.id = e.noun_id) THEN 'its subject'
            WHEN e.noun = 'version' AND EXISTS (SELECT FROM versions v WHERE v.id = e.noun_id
                                                AND v.state <> 'deleted') THEN 'its version'
            WHEN e.noun = 'training' AND EXISTS (SELECT FROM trainings t LEFT JOIN versions v ON v.training_id = t.id
                                                 WHERE t.id = e.noun_id AND (v.state <> 'deleted'
                                                 OR t.finished_at IS NULL)) THEN 'its version, or it is live'
            WHEN e.noun = 'dataset' AND EXISTS (SELECT FROM datasets d WHERE d.id = e.noun_id
                                                AND d.purged_at IS NULL) THEN 'its set'
            WHEN e.noun = 'photo' AND EXISTS (SELECT FROM photos p WHERE p.id = e.noun_id
                                              AND p.purged_at IS NULL) THEN 'its photo'
            WHEN e.noun = 'generation' AND EXISTS (SELECT FROM generations g WHERE g.id = e.noun_id
                                                   AND g.finished_at IS NULL) THEN 'it is live'
            WHEN e.noun IN ('hold', 'key') THEN 'who decided what'
            WHEN held(e.noun_id) THEN 'a hold'
       END AS protected_by
FROM events e
WHERE e.noun <> 'job' AND e.at < now() - make_interval(secs => %(age)s);

-- name: temporary
-- Objects that were noted as temporary, past their time: zips, uploads that came to nothing, orphans.
SELECT NULL::uuid AS id, t.key, t.bytes, t.expires_at AS at, t.subject_id,
       CASE WHEN t.training_id IS NOT NULL
             AND EXISTS (SELECT FROM trainings r WHERE r.id = t.training_id
                         AND r.state NOT IN ('succeeded', 'failed', 'canceled')) THEN 'a live training'
            WHEN t.training_id IS NOT NULL
             AND EXISTS (SELECT FROM jobs j WHERE j.target_id = t.training_id
                         AND j.state IN ('ready', 'leased', 'parked')) THEN 'an open job'
            -- Written out, where the other rules call held(): this one is asked 20,000 times a turn.
            WHEN EXISTS (SELECT FROM holds h WHERE h.released_at IS NULL AND h.noun_id IN (
                             t.training_id, t.subject_id,
                             (SELECT s.owner_id FROM subjects s WHERE s.id = t.subject_id))) THEN 'a hold'
            WHEN t.purpose <> 'orphan' THEN NULL
            WHEN EXISTS (SELECT FROM photos x WHERE x.key COLLATE "C" = t.key AND x.purged_at IS NULL)
              OR EXISTS (SELECT FROM images x WHERE x.key COLLATE "C" = t.key AND x.purged_at IS NULL)
              OR EXISTS (SELECT FROM versions x WHERE x.weights_key COLLATE "C" = t.key AND x.state <> 'deleted')
              OR EXISTS (SELECT FROM datasets x WHERE x.key COLLATE "C" = t.key AND x.purged_at IS NULL)
              OR EXISTS (SELECT FROM datasets x WHERE x.manifest_key COLLATE "C" = t.key AND x.purged_at IS NULL)
            THEN 'a row knows it by now'
            WHEN EXISTS (SELECT FROM regexp_matches(t.key, '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}', 'g') AS m (ids)
                         WHERE has_open_job(m.ids[1]::uuid) OR held(m.ids[1]::uuid)
                            OR EXISTS (SELECT FROM trainings r WHERE r.id = m.ids[1]::uuid AND r.finished_at IS NULL)
                            OR EXISTS (SELECT FROM generations g WHERE g.id = m.ids[1]::uuid AND g.finished_at IS NULL))
            THEN 'what it may belong to is at work, or held'
       END AS protected_by
FROM temporary_objects t
WHERE t.expires_at < now() - make_interval(secs => %(age)s)
  AND CASE WHEN t.purpose = 'upload' THEN 'uploads' WHEN t.purpose = 'orphan' THEN 'orphans' ELSE 'temporary' END
      = %(rule)s;

-- name: purge_photos
-- From here on they cannot be had back: their objects are the sweep's.
WITH gone AS (
    UPDATE photos SET purged_at = now()
    WHERE id = ANY(%(ids)s::uuid[]) AND state = 'removed' AND purged_at IS NULL
    RETURNING key, bytes, subject_id
)
INSERT INTO temporary_objects (key, purpose, subject_id, bytes, expires_at)
SELECT key, 'photo', subject_id, bytes, now() FROM gone
ON CONFLICT (key) DO UPDATE SET expires_at = now(), purpose = excluded.purpose;

-- name: purge_images
-- The same for images; one that goes by age is removed with it.
WITH gone AS (
    UPDATE images i SET removed_at = coalesce(i.removed_at, now()), purged_at = now()
    FROM generations g
    WHERE i.id = ANY(%(ids)s::uuid[]) AND g.id = i.generation_id AND i.purged_at IS NULL
    RETURNING i.key, i.bytes, g.subject_id
)
INSERT INTO temporary_objects (key, purpose, subject_id, bytes, expires_at)
SELECT key, 'image', subject_id, bytes, now() FROM gone
ON CONFLICT (key) DO UPDATE SET expires_at = now(), purpose = excluded.purpose;

-- name: purge_datasets
-- The same for the two objects of a set.
WITH gone AS (
    UPDATE datasets SET purged_at = now()
    WHERE id = ANY(%(ids)s::uuid[]) AND purged_at IS NULL
    RETURNING key, manifest_key, bytes, subject_id
)
INSERT INTO temporary_objects (key, purpose, subject_id, bytes, expires_at)
SELECT key, 'dataset', subject_id, bytes, now() FROM gone
UNION ALL SELECT manifest_key, 'dataset', subject_id, NULL, now() FROM gone
ON CONFLICT (key) DO UPDATE SET expires_at = now(), purpose = excluded.purpose;

-- name: delete_versions
-- Weights that go, and the version with them; returned are those whose copy the provider still has.
WITH target AS (
    SELECT v.id, v.state FROM versions v
    WHERE v.id = ANY(%(ids)s::uuid[]) AND v.state IN ('candidate', 'archived')
      AND (v.state = 'archived' OR v.removed_at IS NOT NULL)
      AND NOT EXISTS (SELECT FROM generations g WHERE g.version_id = v.id
                      AND g.state NOT IN ('succeeded', 'failed', 'canceled'))
    FOR UPDATE
), gone AS (
    UPDATE versions v SET state = 'deleted', archived_at = coalesce(v.archived_at, now()), deleted_at = now()
    FROM target WHERE v.id = target.id
    RETURNING v.id, v.owner_id, v.subject_id, v.weights_key, v.weights_bytes, v.provider_deleted_at, v.origin,
              target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'version', id, before::text, after, %(actor)s FROM (
        SELECT id, 'candidate' AS before, 'archived' AS after, 1 AS place FROM gone WHERE before = 'candidate'
        UNION ALL SELECT id, 'archived', 'deleted', 2 FROM gone
    ) moves ORDER BY place
), object AS (
    INSERT INTO temporary_objects (key, purpose, subject_id, bytes, expires_at)
    SELECT weights_key, 'weights', subject_id, weights_bytes, now() FROM gone WHERE weights_key IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET expires_at = now(), purpose = excluded.purpose
)
SELECT id, owner_id, subject_id FROM gone WHERE provider_deleted_at IS NULL AND origin = 'trained';

-- name: clear_trackers
-- The row stays, with what was asked, drawn and paid.
UPDATE generations SET output = NULL WHERE id = ANY(%(ids)s::uuid[]);

-- name: clear_logs
-- The row stays, with its course and what the trainer really used.
UPDATE trainings SET log_tail = NULL WHERE id = ANY(%(ids)s::uuid[]);

-- name: delete_jobs
-- Jobs that have ended, with their events.
WITH gone AS (
    DELETE FROM jobs WHERE id = ANY(%(ids)s::uuid[]) AND finished_at IS NOT NULL RETURNING id
)
DELETE FROM events e USING gone WHERE e.noun = 'job' AND e.noun_id = gone.id;

-- name: delete_events
-- What nobody can ask about any more.
DELETE FROM events WHERE id = ANY(%(ids)s::bigint[]);
