-- name: history
-- What happened to a thing, in order.
SELECT * FROM events WHERE noun_id = %(noun_id)s ORDER BY id LIMIT %(limit)s;

-- name: history_of_training
-- What happened to a training, its jobs, its version and its images, in order.
SELECT e.* FROM events e
WHERE e.noun_id = %(id)s
   OR e.noun_id IN (SELECT id FROM jobs WHERE target_id = %(id)s)
   OR e.noun_id IN (SELECT id FROM versions WHERE training_id = %(id)s)
   OR e.noun_id IN (SELECT g.id FROM generations g JOIN versions v ON v.id = g.version_id
                    WHERE v.training_id = %(id)s AND g.purpose IN ('preview', 'control'))
ORDER BY e.id LIMIT %(limit)s;
