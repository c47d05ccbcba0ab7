-- name: lock_owner
-- The owner's limits, locked, so that two requests do not both take what is left.
SELECT daily_cap_micro_usd, max_in_flight FROM owners WHERE id = %(owner_id)s FOR NO KEY UPDATE;

-- name: spent_today
-- Spent or reserved this UTC day, the seconds until the next, and how many trainings are in flight.
-- What a request that is sent again reserved before (`besides`) does not stand in its own way.
SELECT coalesce(sum(micro_usd), 0)::bigint AS micro_usd,
       extract(epoch FROM date_trunc('day', now(), 'UTC') + interval '1 day' - now())::float8 AS seconds_left,
       (SELECT count(*) FROM trainings
        WHERE owner_id = %(owner_id)s AND state IN ('submitting', 'unknown', 'training')) AS in_flight
FROM (
    SELECT CASE WHEN finished_at IS NULL THEN greatest(reserved_micro_usd, coalesce(cost_micro_usd, 0))
                ELSE coalesce(cost_micro_usd, 0) END AS micro_usd
    FROM trainings WHERE owner_id = %(owner_id)s AND reserved_on = (now() AT TIME ZONE 'UTC')::date
      AND id IS DISTINCT FROM %(besides)s::uuid
    UNION ALL
    SELECT CASE WHEN finished_at IS NULL THEN greatest(reserved_micro_usd, coalesce(cost_micro_usd, 0))
                ELSE coalesce(cost_micro_usd, 0) END
    FROM generations WHERE owner_id = %(owner_id)s AND reserved_on = (now() AT TIME ZONE 'UTC')::date
      AND id IS DISTINCT FROM %(besides)s::uuid
) AS today;

-- name: reserve_training
-- What this training may cost counts against today.
UPDATE trainings SET reserved_micro_usd = %(micro_usd)s, reserved_on = (now() AT TIME ZONE 'UTC')::date
WHERE id = %(id)s;

-- name: reserve_generation
-- What these images may cost count against today.
UPDATE generations SET reserved_micro_usd = %(micro_usd)s, reserved_on = (now() AT TIME ZONE 'UTC')::date
WHERE id = %(id)s;

-- name: set_limits
-- What an owner may spend a day and have in flight; both are set, NULL is no limit.
WITH changed AS (
    UPDATE owners SET daily_cap_micro_usd = %(daily_cap)s, max_in_flight = %(in_flight)s
    WHERE id = %(owner_id)s RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'owner', id, 'made', 'made', %(actor)s,
           jsonb_build_object('daily_cap_micro_usd', daily_cap_micro_usd, 'max_in_flight', max_in_flight) FROM changed
)
SELECT daily_cap_micro_usd, max_in_flight FROM changed;
