-- name: measured
-- Seconds a step of the newest runs that succeeded, by profile; without a profile: of all of them. A run at
-- the emulator goes to a model of its account.
SELECT profile, count(*) AS runs,
       count(*) FILTER (WHERE split_part(destination, '/', 1) = 'emulated') AS emulated,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY predict_seconds / steps) AS step_p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY predict_seconds / steps) AS step_p95
FROM (SELECT profile, predict_seconds, steps, destination FROM trainings
      WHERE state = 'succeeded' AND predict_seconds > 0 AND steps > 0
      ORDER BY id DESC LIMIT %(limit)s) newest
GROUP BY GROUPING SETS ((profile), ());

-- name: spent
-- An owner's runs that have ended, by profile: how many, how long, what they cost.
SELECT profile, count(*) AS runs, count(*) FILTER (WHERE state = 'succeeded') AS succeeded,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY predict_seconds)
           FILTER (WHERE state = 'succeeded') AS seconds_p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY predict_seconds)
           FILTER (WHERE state = 'succeeded') AS seconds_p95,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY cost_micro_usd)
           FILTER (WHERE state = 'succeeded') AS micro_usd_p50,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY cost_micro_usd)
           FILTER (WHERE state = 'succeeded') AS micro_usd_p95,
       coalesce(sum(cost_micro_usd), 0)::bigint AS micro_usd
FROM trainings WHERE owner_id = %(owner_id)s AND finished_at IS NOT NULL
GROUP BY profile ORDER BY profile;
