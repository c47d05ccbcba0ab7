-- name: insert_training
-- A training is asked for. Call it with the subject locked; one may be open a subject.
WITH made AS (
    INSERT INTO trainings (id, owner_id, subject_id, number, profile, profile_sha256, overrides, trainer, retrain)
    SELECT %(id)s, %(owner_id)s, %(subject_id)s,
           coalesce(max(number), 0) + 1, %(profile)s, %(profile_sha256)s, %(overrides)s, %(trainer)s, %(retrain)s
    FROM trainings WHERE subject_id = %(subject_id)s
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'training', id, NULL, 'queued', %(actor)s, jsonb_build_object('profile', profile) FROM made
)
SELECT * FROM made;

-- name: open_training
-- The subject's training that has not ended, if any.
SELECT * FROM trainings
WHERE subject_id = %(subject_id)s AND state NOT IN ('succeeded', 'failed', 'canceled');

-- name: get_training
-- One training; an owner, where given, sees only its own, and none of a subject that is being erased.
SELECT * FROM trainings t WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = t.subject_id AND s.erasing_at IS NULL));

-- name: lock_training
-- One training, locked.
SELECT * FROM trainings t WHERE id = %(id)s
  AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s
       AND EXISTS (SELECT FROM subjects s WHERE s.id = t.subject_id AND s.erasing_at IS NULL))
FOR UPDATE;

-- name: list_trainings
-- Trainings, newest first, a page by keyset.
SELECT t.*, s.name AS subject_name FROM trainings t JOIN subjects s ON s.id = t.subject_id
WHERE t.owner_id = %(owner_id)s AND s.erasing_at IS NULL
  AND (%(subject_id)s::uuid IS NULL OR t.subject_id = %(subject_id)s)
  AND (%(state)s::training_state IS NULL OR t.state = %(state)s)
  AND (%(after)s::uuid IS NULL OR t.id < %(after)s)
ORDER BY t.id DESC LIMIT %(limit)s;

-- name: move_training
-- From one of the states named to another; no row: it stands elsewhere by now.
WITH target AS (
    SELECT id, state FROM trainings
    WHERE id = %(id)s AND state = ANY(%(before)s::training_state[]) FOR UPDATE
), changed AS (
    UPDATE trainings SET
        state = %(after)s,
        error = coalesce(%(error)s, error),
        finished_at = CASE WHEN %(after)s::training_state IN ('succeeded', 'failed', 'canceled') THEN now() END
    FROM target WHERE trainings.id = target.id
    RETURNING trainings.*, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'training', id, before::text, state::text, %(actor)s, %(detail)s FROM changed
)
SELECT * FROM changed;

-- name: set_report
-- What was found in the photos and the set.
UPDATE trainings SET report = %(report)s WHERE id = %(id)s;

-- name: set_dataset
-- What it will be trained on, and the parameters that follow from it.
UPDATE trainings SET dataset_id = %(dataset_id)s, report = %(report)s, asked = %(asked)s, sent = %(sent)s,
                     steps = %(steps)s
WHERE id = %(id)s;

-- name: set_destination
-- Where the version will be, and which trainer version is asked for.
UPDATE trainings SET destination = %(destination)s, trainer_version = %(trainer_version)s,
                     inputs_source = %(inputs_source)s, sent = %(sent)s, intent_id = %(intent_id)s, intent_at = now()
WHERE id = %(id)s;

-- name: set_sending
-- The request leaves now: until here it may have waited for hours, and its evidence is looked for since then.
UPDATE trainings SET intent_at = now() WHERE id = %(id)s;

-- name: sent_seconds
-- Seconds since the request left.
SELECT extract(epoch FROM now() - intent_at)::float8 AS seconds FROM trainings WHERE id = %(id)s;

-- name: set_accepted
-- The provider's id for it.
UPDATE trainings SET provider_id = %(provider_id)s, provider_status = %(status)s, accepted_at = now(),
                     trainer_version_observed = %(version)s
WHERE id = %(id)s;

-- name: in_flight
-- What is to be watched: everything the provider has accepted and not ended.
SELECT id, subject_id, owner_id, provider_id, provider_status, step, steps, accepted_at, cancel_reason,
       extract(epoch FROM now() - accepted_at)::float8 AS age_seconds,
       -- Somebody looks at it: its log is due before all others.
       extract(epoch FROM now() - coalesce(logged_at, accepted_at))::float8
           + CASE WHEN looked_at > now() - interval '1 min' THEN 86400 ELSE 0 END AS log_age,
       extract(epoch FROM now() - watched_at)::float8 AS watched_seconds
FROM trainings WHERE state = 'training' ORDER BY accepted_at;

-- name: in_flight_one
-- One run, if it is in flight.
SELECT id, subject_id, owner_id, provider_id, provider_status, step, steps, accepted_at, cancel_reason,
       extract(epoch FROM now() - accepted_at)::float8 AS age_seconds,
       -- Somebody looks at it: its log is due before all others.
       extract(epoch FROM now() - coalesce(logged_at, accepted_at))::float8
           + CASE WHEN looked_at > now() - interval '1 min' THEN 86400 ELSE 0 END AS log_age,
       extract(epoch FROM now() - watched_at)::float8 AS watched_seconds
FROM trainings WHERE id = %(id)s AND state = 'training';

-- name: observe
-- What the provider shows of a training in flight; nothing is forgotten that it leaves out.
UPDATE trainings SET
    provider_status = %(status)s,
    trainer_version_observed = coalesce(%(version)s, trainer_version_observed),
    step = coalesce(%(step)s, step), steps = coalesce(%(steps)s, steps), loss = coalesce(%(loss)s, loss),
    course = coalesce(%(course)s, course), images = coalesce(%(images)s, images), log_tail = coalesce(%(log_tail)s, log_tail),
    predict_seconds = coalesce(%(predict_seconds)s, predict_seconds),
    cost_micro_usd = coalesce(%(cost_micro_usd)s, cost_micro_usd),
    output = coalesce(%(output)s, output),
    logged_at = CASE WHEN %(log_tail)s::text IS NULL THEN logged_at ELSE now() END,
    watched_at = now()
WHERE id = %(id)s AND state = 'training';

-- name: look
-- Somebody looks at it while it trains; noted every ten seconds at most.
UPDATE trainings SET looked_at = now()
WHERE id = %(id)s AND state = 'training' AND (looked_at IS NULL OR looked_at < now() - interval '10 s');

-- name: set_effective
-- What the trainer really used, out of its own archive, and where that is not what was sent.
UPDATE trainings SET effective = %(effective)s, differences = %(differences)s,
                     images = coalesce(%(images)s, images)
WHERE id = %(id)s;

-- name: ask_cancel
-- A person asks for it to stop.
UPDATE trainings SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = %(id)s;

-- name: stop_at_provider
-- It is to stop for the reason given; no row: that was asked for before, or it has ended.
UPDATE trainings SET cancel_requested_at = now(), cancel_reason = %(reason)s
WHERE id = %(id)s AND state = 'training' AND cancel_requested_at IS NULL
RETURNING *;

-- name: course
-- Step, loss and rate, as `Course.to_dict` keeps them.
SELECT course FROM trainings WHERE id = %(id)s;

-- name: set_course
-- The whole course, out of the log of a run that has ended.
UPDATE trainings SET course = %(course)s, images = coalesce(%(images)s, images),
                     step = coalesce(%(step)s, step), loss = coalesce(%(loss)s, loss)
WHERE id = %(id)s;

-- name: set_retrain
-- What a person answered to the guard. The job's retry is the event, and says so.
UPDATE trainings SET retrain = %(retrain)s WHERE id = %(id)s AND state = 'blocked';
