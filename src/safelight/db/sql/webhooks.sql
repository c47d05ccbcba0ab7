-- name: take_delivery
-- A webhook's delivery, once: no row where it was taken before.
INSERT INTO webhook_deliveries (id) VALUES (%(id)s) ON CONFLICT DO NOTHING RETURNING id;

-- name: forget_deliveries
-- Past the tolerance a delivery is refused by its age.
DELETE FROM webhook_deliveries WHERE at < now() - interval '1 hour';

-- name: run_of_intent
-- The run that bears this intent, if it is in flight.
SELECT 'training' AS kind, id, owner_id, subject_id FROM trainings
WHERE intent_id = %(intent_id)s AND state = 'training'
UNION ALL
SELECT 'generation', id, owner_id, subject_id FROM generations
WHERE intent_id = %(intent_id)s AND state = 'drawing';
