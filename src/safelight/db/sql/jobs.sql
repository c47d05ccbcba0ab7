-- name: insert_job
-- A new job; with a unique_key that is open already, the open one is made due (or to run once more), or,
-- where there is no hurry, is left as it is unless it stands parked. Its row is locked in any case: a job
-- that ends at this moment ends before, and a new one is made, or sees afterwards what this is about.
WITH parked AS (
    SELECT id FROM jobs WHERE unique_key = %(unique_key)s AND state = 'parked' AND NOT %(hurry)s
), made AS (
    INSERT INTO jobs (id, queue, kind, owner_id, subject_id, target_id, due_at, turn,
                      max_attempts, lease_seconds, unique_key)
    VALUES (%(id)s, %(queue)s, %(kind)s, %(owner_id)s, %(subject_id)s, %(target_id)s,
            now() + make_interval(secs => %(delay)s),
            fair_turn(%(queue)s, %(owner_id)s, now() + make_interval(secs => %(delay)s),
                      make_interval(secs => %(quantum)s)),
            %(max_attempts)s, %(lease_seconds)s, %(unique_key)s)
    ON CONFLICT (unique_key) WHERE state IN ('ready', 'leased', 'parked') DO UPDATE SET
        state = CASE WHEN jobs.state = 'parked' AND NOT %(hurry)s THEN 'ready' ELSE jobs.state END,
        attempts = CASE WHEN jobs.state = 'parked' AND NOT %(hurry)s THEN 0 ELSE jobs.attempts END,
        faulty_since = CASE WHEN jobs.state = 'parked' AND NOT %(hurry)s THEN NULL ELSE jobs.faulty_since END,
        due_at = CASE WHEN jobs.state = 'ready' AND %(hurry)s THEN least(jobs.due_at, excluded.due_at)
                      WHEN jobs.state = 'parked' AND NOT %(hurry)s THEN excluded.due_at
                      ELSE jobs.due_at END,
        turn = CASE WHEN jobs.state = 'ready' AND %(hurry)s THEN least(jobs.turn, excluded.turn)
                    WHEN jobs.state = 'parked' AND NOT %(hurry)s THEN excluded.turn
                    ELSE jobs.turn END,
        rerun = jobs.state = 'leased' AND (jobs.rerun OR %(hurry)s)
    RETURNING id, queue, due_at <= now() AND state = 'ready' AS due, xmax = 0 AS inserted
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, NULL, 'ready', %(actor)s, jsonb_build_object('kind', %(kind)s::text)
    FROM made WHERE inserted
), revived AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'parked', 'ready', %(actor)s, jsonb_build_object('reason', 'it is needed again')
    FROM made JOIN parked USING (id)
)
SELECT id, queue, due FROM made;

-- name: claim_jobs
-- Take the next due jobs of a queue in fair turns: the next fence, one more attempt, a lease by our clock.
-- A job that sends a paid request is taken alone, or not in this turn: its intent is on record before it is
-- sent, so of a batch that died one intent at most is in doubt. So is one that is slow by nature: what stood
-- behind it in a batch would wait for it. A kind that this release does not know is left to the next one.
WITH next AS (
    SELECT id, turn, kind FROM jobs
    WHERE queue = %(queue)s AND state = 'ready' AND due_at <= now() AND kind = ANY(%(known)s::text[])
      AND NOT EXISTS (SELECT FROM queue_controls c WHERE c.queue = %(queue)s AND c.paused)
    ORDER BY turn
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), target AS (
    SELECT id FROM (
        SELECT id, row_number() OVER turns = 1 AS first, bool_or(kind = ANY(%(alone)s::text[])) OVER turns AS alone
        FROM next WINDOW turns AS (ORDER BY turn, id ROWS UNBOUNDED PRECEDING)
    ) AS numbered
    WHERE first OR NOT alone
), claimed AS (
    UPDATE jobs SET
        state = 'leased', attempts = attempts + 1, fence = fence + 1, rerun = false,
        lease_owner = %(worker)s,
        lease_until = now() + make_interval(secs => coalesce(%(lease)s, lease_seconds))
    FROM target WHERE jobs.id = target.id
    RETURNING jobs.*
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'ready', 'leased', %(worker)s,
           jsonb_build_object('attempt', attempts, 'fence', fence)
    FROM claimed
)
SELECT * FROM claimed ORDER BY turn;

-- name: hold_jobs
-- The rows of jobs, locked, whose leases are still ours. Rows are locked job first, everywhere.
-- What is held is found by its key: asked for by its state it would be found through the index of all that
-- is leased, in which, under load, the dead entries are a hundred times the living.
SELECT jobs.id FROM jobs
JOIN unnest(%(ids)s::uuid[], %(fences)s::bigint[]) AS held (id, fence) ON jobs.id = held.id AND jobs.fence = held.fence
WHERE jobs.lease_until IS NOT NULL ORDER BY jobs.id FOR UPDATE OF jobs;

-- name: renew_leases
-- The heartbeat: the jobs still ours get a new lease; those not returned have passed to another.
UPDATE jobs SET lease_until = now() + make_interval(secs => coalesce(%(lease)s, lease_seconds))
FROM unnest(%(ids)s::uuid[], %(fences)s::bigint[]) AS held (id, fence)
WHERE jobs.id = held.id AND jobs.fence = held.fence AND jobs.lease_until IS NOT NULL
RETURNING jobs.id, jobs.cancel_requested_at IS NOT NULL AS cancel_requested;

-- name: finish_jobs
-- Their stages ended. One that was asked for again meanwhile is due once more instead.
WITH settled AS (
    UPDATE jobs SET
        state = CASE WHEN rerun THEN 'ready'::job_state ELSE 'done' END,
        finished_at = CASE WHEN rerun THEN NULL ELSE now() END,
        due_at = CASE WHEN rerun THEN now() ELSE due_at END,
        turn = CASE WHEN rerun THEN fair_turn(jobs.queue, jobs.owner_id, now(), make_interval(secs => %(quantum)s))
                    ELSE turn END,
        attempts = CASE WHEN rerun THEN 0 ELSE attempts END,
        faulty_since = NULL,
        rerun = false, lease_owner = NULL, lease_until = NULL, error = NULL, reason = held.reason
    FROM unnest(%(ids)s::uuid[], %(fences)s::bigint[], %(reasons)s::text[]) AS held (id, fence, reason)
    WHERE jobs.id = held.id AND jobs.fence = held.fence AND jobs.lease_until IS NOT NULL
    RETURNING jobs.id, held.fence, jobs.queue, jobs.state, jobs.reason
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'leased', state::text, %(worker)s, jsonb_build_object('reason', reason, 'fence', fence)
    FROM settled
)
SELECT id, queue, state = 'ready' AS due FROM settled;

-- name: wait_job
-- Not done yet: due again after a pause. `fresh` gives the attempts back (waiting is no failure); a
-- passing `fault` gives this one back, and is remembered since it began. A thousand that wait for the same
-- moment come back in fair turns; one that waits anew keeps a turn that is yet to come, so that waiting over
-- and over moves none of them further and further back.
WITH waiting AS (
    SELECT id, queue, owner_id, turn,
           CASE WHEN rerun THEN now() ELSE now() + make_interval(secs => %(seconds)s) END AS due
    FROM jobs WHERE id = %(id)s AND fence = %(fence)s AND lease_until IS NOT NULL
), settled AS (
    UPDATE jobs SET
        state = 'ready',
        due_at = waiting.due,
        turn = CASE WHEN waiting.turn > waiting.due THEN waiting.turn
                    ELSE fair_turn(waiting.queue, waiting.owner_id, waiting.due, make_interval(secs => %(quantum)s))
               END,
        attempts = CASE WHEN %(fault)s THEN greatest(attempts - 1, 0) WHEN %(fresh)s THEN 0 ELSE attempts END,
        faulty_since = CASE WHEN %(fault)s THEN coalesce(faulty_since, now())
                            WHEN %(fresh)s THEN NULL ELSE faulty_since END,
        rerun = false, lease_owner = NULL, lease_until = NULL, reason = %(reason)s, error = %(error)s
    FROM waiting WHERE jobs.id = waiting.id AND jobs.fence = %(fence)s AND jobs.lease_until IS NOT NULL
    RETURNING jobs.id, jobs.queue, jobs.due_at
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'leased', 'ready', %(worker)s,
           jsonb_strip_nulls(jsonb_build_object(
               'reason', %(reason)s::text, 'error', %(error)s::text, 'seconds', %(seconds)s::float8,
               'fence', %(fence)s::bigint))
    FROM settled
)
SELECT id, queue, due_at <= now() AS due FROM settled;

-- name: park_job
-- It stands still, visibly, with its reason, until a person retries or cancels it.
WITH settled AS (
    UPDATE jobs SET state = 'parked', rerun = false, lease_owner = NULL, lease_until = NULL,
                    reason = %(reason)s, error = %(error)s
    WHERE id = %(id)s AND fence = %(fence)s AND lease_until IS NOT NULL
    RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'leased', 'parked', %(worker)s,
           jsonb_build_object('reason', %(reason)s::text, 'error', %(error)s::text, 'fence', %(fence)s::bigint)
    FROM settled
)
SELECT id FROM settled;

-- name: cancel_leased_job
-- The worker saw that it is asked to stop.
WITH settled AS (
    UPDATE jobs SET state = 'canceled', finished_at = now(), rerun = false,
                    lease_owner = NULL, lease_until = NULL, reason = %(reason)s
    WHERE id = %(id)s AND fence = %(fence)s AND lease_until IS NOT NULL
    RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'leased', 'canceled', %(worker)s,
           jsonb_build_object('reason', %(reason)s::text, 'fence', %(fence)s::bigint)
    FROM settled
)
SELECT id FROM settled;

-- name: cancel_idle_jobs
-- A person cancels: the jobs of a target that nobody is working on end at once.
WITH target AS (
    SELECT id, state FROM jobs
    WHERE (target_id = %(target_id)s OR id = %(job_id)s) AND state IN ('ready', 'parked')
    FOR UPDATE
), settled AS (
    UPDATE jobs SET state = 'canceled', finished_at = now(), reason = %(reason)s
    FROM target WHERE jobs.id = target.id
    RETURNING jobs.id, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, before::text, 'canceled', %(actor)s, jsonb_build_object('reason', %(reason)s::text)
    FROM settled
)
SELECT id FROM settled;

-- name: ask_leased_jobs_to_cancel
-- A person cancels: a job someone is working on is asked to stop between steps.
UPDATE jobs SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE (target_id = %(target_id)s OR id = %(job_id)s) AND state = 'leased'
RETURNING id;

-- name: retry_job
-- A person retries a parked job: due now, attempts counted anew.
WITH settled AS (
    UPDATE jobs SET state = 'ready', due_at = now(), attempts = 0, faulty_since = NULL,
                    turn = fair_turn(queue, owner_id, now(), make_interval(secs => %(quantum)s)),
                    reason = %(reason)s, cancel_requested_at = NULL
    WHERE id = %(id)s AND state = 'parked'
    RETURNING id, queue
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'parked', 'ready', %(actor)s, jsonb_build_object('reason', %(reason)s::text)
    FROM settled
)
SELECT id, queue, true AS due FROM settled;

-- name: next_due
-- What is due next in a queue, of any kind or of those `known`: the sweep sends the hints that the broker does
-- not hold.
SELECT id FROM jobs
WHERE queue = %(queue)s AND state = 'ready' AND due_at <= now()
  AND (%(known)s::text[] IS NULL OR kind = ANY(%(known)s::text[]))
  AND NOT EXISTS (SELECT FROM queue_controls c WHERE c.queue = %(queue)s AND c.paused)
ORDER BY turn
LIMIT %(limit)s;

-- name: release_expired
-- Leases that ran out: their worker died or hangs. The jobs are due again, with their old turn.
WITH target AS (
    SELECT id FROM jobs WHERE state = 'leased' AND lease_until < now()
    ORDER BY lease_until
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), released AS (
    UPDATE jobs SET state = 'ready', lease_owner = NULL, lease_until = NULL
    FROM target WHERE jobs.id = target.id
    RETURNING jobs.id, jobs.fence
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'job', id, 'leased', 'ready', 'clock',
           jsonb_build_object('reason', 'the lease ran out', 'fence', fence)
    FROM released
)
SELECT id FROM released;

-- name: get_job
-- One job; an owner, where given, sees only its own, and none of a subject that is being erased.
SELECT * FROM jobs j WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND NOT EXISTS (SELECT FROM subjects s WHERE s.id = j.subject_id AND s.erasing_at IS NOT NULL));

-- name: list_jobs
-- Jobs, newest first, a page by keyset.
SELECT * FROM jobs j
WHERE (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND NOT EXISTS (SELECT FROM subjects s WHERE s.id = j.subject_id AND s.erasing_at IS NOT NULL))
  AND (%(queue)s::queue IS NULL OR queue = %(queue)s)
  AND (%(state)s::job_state IS NULL OR state = %(state)s)
  AND (%(subject_id)s::uuid IS NULL OR subject_id = %(subject_id)s)
  AND (%(target_id)s::uuid IS NULL OR target_id = %(target_id)s)
  AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: open_jobs_of_target
-- The jobs of a target that have not ended, locked: before the target, as workers do.
SELECT * FROM jobs WHERE target_id = %(target_id)s AND state IN ('ready', 'leased', 'parked') ORDER BY id FOR UPDATE;

-- name: count_jobs
-- How many jobs (of an owner, where given) stand where, and since when the oldest due one waits (seconds).
SELECT q.queue, c.paused, c.reason AS paused_reason,
       count(j.id) FILTER (WHERE j.state = 'ready' AND j.due_at <= now()) AS due,
       count(j.id) FILTER (WHERE j.state = 'ready' AND j.due_at > now()) AS waiting,
       count(j.id) FILTER (WHERE j.state = 'leased') AS leased,
       count(j.id) FILTER (WHERE j.state = 'parked') AS parked,
       coalesce(extract(epoch FROM now() - min(j.due_at) FILTER (WHERE j.state = 'ready' AND j.due_at <= now())), 0)::float8
           AS oldest_due_seconds
FROM unnest(enum_range(NULL::queue)) AS q (queue)
JOIN queue_controls c ON c.queue = q.queue
LEFT JOIN jobs j ON j.queue = q.queue AND j.state IN ('ready', 'leased', 'parked')
                 AND (%(owner_id)s::uuid IS NULL OR j.owner_id = %(owner_id)s)
GROUP BY q.queue, c.paused, c.reason ORDER BY q.queue;

-- name: set_queue_paused
-- Pause or resume a queue: claims obey this row.
WITH changed AS (
    UPDATE queue_controls SET paused = %(paused)s, reason = %(reason)s, changed_by = %(actor)s, changed_at = now()
    WHERE queue = %(queue)s AND paused <> %(paused)s
    RETURNING queue
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'queue', NULL, CASE WHEN %(paused)s THEN 'running' ELSE 'paused' END,
           CASE WHEN %(paused)s THEN 'paused' ELSE 'running' END, %(actor)s,
           jsonb_build_object('queue', queue::text, 'reason', %(reason)s::text)
    FROM changed
)
SELECT queue FROM changed;

-- name: count_open
-- How many jobs of a kind have not ended, parked ones apart: those wait for a person.
SELECT count(*) AS n FROM jobs
WHERE queue = %(queue)s AND kind = %(kind)s AND state IN ('ready', 'leased');
