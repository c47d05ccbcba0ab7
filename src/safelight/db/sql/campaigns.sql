-- name: select_subjects
-- The subjects a campaign is about, with what a dry run counts and what keeps one out of it.
WITH chosen AS (
    SELECT s.* FROM subjects s
    WHERE s.owner_id = %(owner_id)s AND s.erasing_at IS NULL
      AND (%(kind)s::subject_kind IS NULL OR s.kind = %(kind)s)
      AND (%(subject_ids)s::uuid[] IS NULL OR s.id = ANY(%(subject_ids)s))
      AND (%(made_by)s::text IS NULL AND %(since)s::timestamptz IS NULL AND %(until)s::timestamptz IS NULL
           OR EXISTS (SELECT FROM trainings t WHERE t.subject_id = s.id AND t.state = 'succeeded'
                      AND (%(made_by)s::text IS NULL OR t.profile = %(made_by)s)
                      AND (%(since)s::timestamptz IS NULL OR t.finished_at >= %(since)s)
                      AND (%(until)s::timestamptz IS NULL OR t.finished_at < %(until)s)))
), bad AS (
    SELECT v.* FROM chosen c JOIN versions v ON v.subject_id = c.id
    LEFT JOIN trainings t ON t.id = v.training_id
    WHERE v.origin = 'trained' AND v.state <> 'deleted' AND NOT held(v.id)
      AND (%(made_by)s::text IS NULL OR t.profile = %(made_by)s)
      AND (%(since)s::timestamptz IS NULL OR v.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR v.created_at < %(until)s)
)
SELECT c.id, c.kind, c.consented_at IS NOT NULL AS consented,
       in_training(c.id) AS in_training, held(c.id, c.owner_id) AS held,
       (SELECT count(*) FROM photos p WHERE p.subject_id = c.id AND p.state IN ('stored', 'accepted', 'rejected')) AS photos,
       (SELECT count(*) FROM bad b WHERE b.subject_id = c.id) AS versions,
       (SELECT coalesce(sum(b.weights_bytes), 0)::bigint FROM bad b WHERE b.subject_id = c.id) AS bytes,
       (SELECT count(*) FROM images i JOIN generations g ON g.id = i.generation_id JOIN bad b ON b.id = g.version_id
        WHERE b.subject_id = c.id AND i.purged_at IS NULL AND NOT held(i.id, g.id)) AS images,
       (SELECT count(*) FROM generations g JOIN bad b ON b.id = g.version_id
        WHERE b.subject_id = c.id AND g.output IS NOT NULL) AS trackers
FROM chosen c ORDER BY c.id;

-- name: seconds_a_step
-- What a step of a training took lately, the middle of the last hundred; NULL: none is on record.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY predict_seconds / steps) AS seconds
FROM (SELECT predict_seconds, steps FROM trainings
      WHERE owner_id = %(owner_id)s AND state = 'succeeded' AND steps > 0 AND predict_seconds > 0
      ORDER BY id DESC LIMIT 100) lately;

-- name: insert_campaign
-- A campaign is planned.
WITH made AS (
    INSERT INTO campaigns (id, owner_id, name, kind, selection, profile, first_batch, at_once, budget_micro_usd, asked_by)
    VALUES (%(id)s, %(owner_id)s, %(name)s, %(kind)s, %(selection)s, %(profile)s, %(first_batch)s, %(at_once)s,
            %(budget)s, %(actor)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'campaign', id, NULL, 'planned', %(actor)s, jsonb_build_object('kind', kind) FROM made
)
SELECT * FROM made;

-- name: insert_item
-- A subject of a campaign, in its place; one that is kept out is there too, with the reason.
INSERT INTO campaign_items (campaign_id, position, subject_id, state, planned, estimate_micro_usd, reason, finished_at)
VALUES (%(campaign_id)s, %(position)s, %(subject_id)s,
        CASE WHEN %(reason)s::text IS NULL THEN 'waiting' ELSE 'skipped' END::campaign_item_state,
        %(planned)s, %(estimate)s, %(reason)s, CASE WHEN %(reason)s::text IS NOT NULL THEN now() END);

-- name: get_campaign
-- One campaign; an owner, where given, sees only its own.
SELECT * FROM campaigns WHERE id = %(id)s AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s);

-- name: lock_campaign
-- One campaign, locked.
SELECT * FROM campaigns WHERE id = %(id)s AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s) FOR UPDATE;

-- name: list_campaigns
-- Campaigns of an owner, newest first, a page by keyset.
SELECT * FROM campaigns WHERE owner_id = %(owner_id)s AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: move_campaign
-- From one state to the next; no row: it stands elsewhere by now.
WITH changed AS (
    UPDATE campaigns SET
        state = %(after)s, reason = %(reason)s,
        budget_micro_usd = coalesce(%(budget)s, budget_micro_usd),
        started_at = coalesce(started_at, CASE WHEN %(after)s::campaign_state = 'running' THEN now() END),
        resumed_at = CASE WHEN %(past_first)s THEN now() ELSE resumed_at END,
        finished_at = CASE WHEN %(after)s::campaign_state IN ('stopped', 'finished') THEN now() END
    WHERE id = %(id)s AND state = %(before)s RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'campaign', id, %(before)s, state::text, %(actor)s, jsonb_strip_nulls(jsonb_build_object('reason', reason))
    FROM changed
)
SELECT * FROM changed;

-- name: running_items
-- What is under way, with where its training and its drawings stand.
SELECT i.*, t.state::text AS training_state, t.error AS training_error,
       EXISTS (SELECT FROM generations g JOIN versions v ON v.id = g.version_id
               WHERE v.training_id = i.training_id AND g.state NOT IN ('succeeded', 'failed', 'canceled')) AS drawing,
       (SELECT j.error FROM jobs j WHERE j.unique_key = 'reinspect:' || i.subject_id AND j.state = 'parked') AS inspect_error
FROM campaign_items i LEFT JOIN trainings t ON t.id = i.training_id
WHERE i.campaign_id = %(id)s AND i.state = 'running' ORDER BY i.position;

-- name: next_items
-- What comes next, in order.
SELECT * FROM campaign_items WHERE campaign_id = %(id)s AND state = 'waiting' ORDER BY position LIMIT %(limit)s;

-- name: refresh_costs
-- What the campaign's trainings and their previews have cost by now.
UPDATE campaign_items i SET cost_micro_usd = paid.cost
FROM (SELECT i.position, coalesce(t.cost_micro_usd, 0) + coalesce((
          SELECT sum(g.cost_micro_usd) FROM generations g JOIN versions v ON v.id = g.version_id
          WHERE v.training_id = t.id AND g.purpose <> 'request'), 0)::bigint AS cost
      FROM campaign_items i JOIN trainings t ON t.id = i.training_id
      WHERE i.campaign_id = %(id)s AND i.state = 'running') paid
WHERE i.campaign_id = %(id)s AND i.position = paid.position AND i.cost_micro_usd <> paid.cost;

-- name: change_item
-- Where an item of a campaign stands.
UPDATE campaign_items SET
    state = %(state)s, step = %(step)s, reason = coalesce(%(reason)s, reason),
    training_id = coalesce(%(training_id)s, training_id),
    result = result || %(result)s,
    started_at = CASE WHEN %(state)s::campaign_item_state IN ('running', 'done', 'failed')
                      THEN coalesce(started_at, now()) ELSE started_at END,
    finished_at = CASE WHEN %(state)s::campaign_item_state IN ('done', 'failed', 'skipped') THEN now() END
WHERE campaign_id = %(campaign_id)s AND position = %(position)s AND state IN ('waiting', 'running');

-- name: inspecting
-- The items, of whatever campaign, that wait for this subject's photos to be judged anew.
SELECT i.*, c.profile FROM campaign_items i JOIN campaigns c ON c.id = i.campaign_id
WHERE i.subject_id = %(subject_id)s AND i.state = 'running' AND i.step = 'inspecting'
ORDER BY i.started_at, i.campaign_id;

-- name: skip_waiting
-- A person stops the campaign: what has not begun does not begin.
UPDATE campaign_items SET state = 'skipped', reason = %(reason)s, finished_at = now()
WHERE campaign_id = %(id)s AND state = 'waiting';

-- name: totals
-- How many items stand where, what they cost and were to cost, and what is set aside for those under way.
SELECT state::text, count(*) AS items, count(*) FILTER (WHERE started_at IS NOT NULL) AS started,
       sum(estimate_micro_usd)::bigint AS estimate_micro_usd, sum(cost_micro_usd)::bigint AS cost_micro_usd,
       sum(CASE WHEN state = 'running' THEN greatest(estimate_micro_usd, cost_micro_usd) ELSE cost_micro_usd END)::bigint
           AS bound_micro_usd
FROM campaign_items WHERE campaign_id = %(id)s GROUP BY state;

-- name: sums
-- What the dry run counted, and what came of it, by name.
SELECT name, coalesce(sum(planned), 0)::bigint AS planned, coalesce(sum(result), 0)::bigint AS result FROM (
    SELECT p.key AS name, p.value::text::bigint AS planned, NULL::bigint AS result
    FROM campaign_items i, jsonb_each(i.planned) p WHERE i.campaign_id = %(id)s
    UNION ALL
    SELECT r.key, NULL, r.value::text::bigint
    FROM campaign_items i, jsonb_each(i.result) r WHERE i.campaign_id = %(id)s
) counted GROUP BY name ORDER BY name;

-- name: reasons
-- Why items were skipped or failed, and how many for each reason.
SELECT state::text, reason, count(*) AS items FROM campaign_items
WHERE campaign_id = %(id)s AND state IN ('skipped', 'failed') GROUP BY state, reason ORDER BY count(*) DESC, reason
LIMIT 100;

-- name: list_items
-- The items of a campaign in their order, a page.
SELECT * FROM campaign_items WHERE campaign_id = %(id)s AND position > %(after)s ORDER BY position LIMIT %(limit)s;

-- name: quarantine
-- Versions a destructive campaign is about draw no more from its start on (R-106), a batch.
WITH target AS (
    SELECT v.id, v.state FROM campaign_items i JOIN versions v ON v.subject_id = i.subject_id
    LEFT JOIN trainings t ON t.id = v.training_id
    WHERE i.campaign_id = %(id)s AND i.state = 'waiting' AND v.origin = 'trained'
      AND v.state IN ('candidate', 'active') AND v.rejected_at IS NULL AND NOT held(v.id)
      AND (%(made_by)s::text IS NULL OR t.profile = %(made_by)s)
      AND (%(since)s::timestamptz IS NULL OR v.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR v.created_at < %(until)s)
    LIMIT %(limit)s FOR UPDATE OF v
), changed AS (
    UPDATE versions v SET state = 'candidate', rejected_at = now(), rejected_by = %(actor)s, rejected_why = %(why)s
    FROM target WHERE v.id = target.id RETURNING v.id, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, before::text, 'candidate', %(actor)s, jsonb_build_object('rejected', %(why)s::text) FROM changed
)
SELECT id FROM changed;

-- name: bad_versions
-- The subject's versions a campaign purges, stood down and marked as removed.
WITH target AS (
    SELECT v.id, v.state FROM versions v LEFT JOIN trainings t ON t.id = v.training_id
    WHERE v.subject_id = %(subject_id)s AND v.origin = 'trained' AND v.state <> 'deleted' AND NOT held(v.id)
      AND (%(made_by)s::text IS NULL OR t.profile = %(made_by)s)
      AND (%(since)s::timestamptz IS NULL OR v.created_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR v.created_at < %(until)s)
    FOR UPDATE OF v
), changed AS (
    UPDATE versions v SET removed_at = coalesce(v.removed_at, now()),
                          state = CASE WHEN v.state = 'active' THEN 'candidate' ELSE v.state END
    FROM target WHERE v.id = target.id
    RETURNING v.id, v.weights_key AS key, v.weights_bytes AS bytes, v.subject_id, v.training_id, target.state AS before
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'version', id, 'active', 'candidate', %(actor)s, jsonb_build_object('reason', 'purged by a campaign')
    FROM changed WHERE before = 'active'
)
SELECT * FROM changed;

-- name: drawings_of
-- The drawings of some versions: those in flight, those with a tracker.
SELECT id, state::text, output IS NOT NULL AS tracker FROM generations
WHERE version_id = ANY(%(ids)s::uuid[]);

-- name: images_of
-- The images of some versions that are still there and that nothing holds.
SELECT i.id, i.key, i.bytes FROM images i JOIN generations g ON g.id = i.generation_id
WHERE g.version_id = ANY(%(ids)s::uuid[]) AND i.purged_at IS NULL AND NOT held(i.id, g.id);

-- name: datasets_of
-- The sets that only deleted versions of the subject were made of, and that nothing holds.
SELECT d.id, d.key, d.bytes FROM datasets d
WHERE d.subject_id = %(subject_id)s AND d.purged_at IS NULL AND NOT held(d.id) AND NOT in_training(d.subject_id)
  AND NOT EXISTS (SELECT FROM trainings t JOIN versions v ON v.training_id = t.id
                  WHERE t.dataset_id = d.id AND v.state <> 'deleted')
  AND EXISTS (SELECT FROM trainings t WHERE t.dataset_id = d.id AND t.id = ANY(%(training_ids)s::uuid[]));

-- name: expire_inputs
-- The trainings' own copies of their zips are past their time at once (R-11).
UPDATE temporary_objects SET expires_at = least(expires_at, now())
WHERE training_id = ANY(%(training_ids)s::uuid[]) AND purpose = 'submission';
