-- name: committed
-- Which of these jobs can be seen by others.
SELECT id FROM jobs WHERE id = ANY(%(ids)s::uuid[]);

-- name: open_jobs
-- Jobs of subjects, and watches over what is in flight, that have neither ended nor stand parked.
SELECT id, queue::text, kind, state::text, target_id, due_at <= now() AS due,
       extract(epoch FROM now() - due_at)::float8 AS overdue_seconds, lease_owner, reason, error
FROM jobs WHERE state IN ('ready', 'leased') AND (subject_id IS NOT NULL OR kind LIKE 'watch%%') ORDER BY id;

-- name: parked_jobs
-- What stands still until a person decides, with its reason.
SELECT id, queue::text, kind, target_id, reason, error FROM jobs WHERE state = 'parked' ORDER BY id;

-- name: overdue
-- Jobs that have been due, or whose lease has been over, for longer than so many seconds.
SELECT id, queue::text, kind, state::text,
       extract(epoch FROM now() - CASE WHEN state = 'ready' THEN due_at ELSE lease_until END)::float8 AS overdue_seconds
FROM jobs
WHERE state = 'ready' AND due_at < now() - make_interval(secs => %(seconds)s)
   OR state = 'leased' AND lease_until < now() - make_interval(secs => %(seconds)s)
ORDER BY id;

-- name: waiting
-- Of each queue: claims ever made, jobs held now, and for how long the oldest one has been due (or its
-- lease over) that nobody holds.
SELECT queue::text, sum(fence)::bigint AS claims,
       count(*) FILTER (WHERE state = 'leased' AND lease_until > now()) AS held,
       coalesce(extract(epoch FROM now() - min(CASE WHEN state = 'ready' THEN due_at ELSE lease_until END)
           FILTER (WHERE state = 'ready' AND due_at <= now() OR state = 'leased' AND lease_until <= now())),
           0)::float8 AS due_seconds
FROM jobs GROUP BY queue;

-- name: settles
-- How many turns of jobs have been written to their end.
SELECT count(*) AS n FROM events WHERE noun = 'job' AND before = 'leased' AND after <> 'leased';

-- name: at_work
-- Who holds jobs of a queue now.
SELECT DISTINCT lease_owner FROM jobs WHERE queue = %(queue)s AND state = 'leased' AND lease_until > now();

-- name: newest_event
-- The last thing that happened to anything but the clock's own jobs.
SELECT coalesce(max(e.id), 0)::bigint AS id FROM events e
WHERE e.id > (SELECT coalesce(max(id), 0) - 2000 FROM events)
  AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.noun_id AND j.subject_id IS NULL);

-- name: broken_histories
-- Events of one thing that do not begin where the last one ended.
SELECT noun::text, noun_id, prior, before, after, actor FROM (
    SELECT noun, noun_id, before, after, actor, id,
           lag(after) OVER (PARTITION BY noun_id ORDER BY id) AS prior,
           row_number() OVER (PARTITION BY noun_id ORDER BY id) AS number
    FROM events WHERE noun_id IS NOT NULL AND noun IN ('job', 'training', 'version', 'generation', 'photo')
) AS step
WHERE before IS DISTINCT FROM prior AND number > 1 ORDER BY id;

-- name: moves
-- Every kind of move that was made.
SELECT DISTINCT noun::text, before, after FROM events
WHERE noun IN ('job', 'training', 'version', 'generation', 'photo');

-- name: stale_writes
-- Jobs settled under a fence that was not the last one given out.
SELECT noun_id AS id, fence, given, actor FROM (
    SELECT noun_id, before, actor, (detail ->> 'fence')::bigint AS fence,
           max((detail ->> 'fence')::bigint) FILTER (WHERE after = 'leased')
               OVER (PARTITION BY noun_id ORDER BY id ROWS UNBOUNDED PRECEDING) AS given
    FROM events WHERE noun = 'job'
) AS step
WHERE before = 'leased' AND fence IS DISTINCT FROM given;

-- name: trainings
-- Every training: its end, its money, and the marks of all its paid requests.
SELECT t.id, t.state::text, t.provider_id, t.cost_micro_usd, t.error,
       array_remove(array_agg(DISTINCT e.detail ->> 'intent'), NULL) AS intents
FROM trainings t LEFT JOIN events e ON e.noun_id = t.id AND e.after = 'submitting'
GROUP BY t.id ORDER BY t.id;

-- name: generations
-- Every request for images: its end, its money, and the marks of all its paid requests.
SELECT g.id, g.state::text, g.provider_id, g.cost_micro_usd, g.error,
       array_remove(array_agg(DISTINCT e.detail ->> 'intent') || g.intent_id::text, NULL) AS intents
FROM generations g LEFT JOIN events e ON e.noun_id = g.id AND e.after = 'submitting'
GROUP BY g.id ORDER BY g.id;

-- name: promised_objects
-- What must be in the store, since something is said to have succeeded.
SELECT t.id, v.weights_key AS key, v.weights_bytes AS bytes, v.weights_sha256 AS sha256
FROM trainings t LEFT JOIN versions v ON v.training_id = t.id WHERE t.state = 'succeeded'
UNION ALL
SELECT g.id, i.key, i.bytes, i.sha256
FROM generations g LEFT JOIN images i ON i.generation_id = g.id WHERE g.state = 'succeeded';

-- name: next_turn
-- Seconds from a moment until a job's next turn began or ended; NULL: none did.
SELECT extract(epoch FROM min(at) - to_timestamp(%(since)s::float8))::float8 AS seconds FROM events
WHERE noun = 'job' AND (before = 'leased' OR after = 'leased') AND at > to_timestamp(%(since)s::float8);

-- name: terminate_backends
-- End every other session of this database, as an operator or a failover does.
SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid();
