-- name: take_delivery
-- A webhook's delivery, once: no row where it was taken before.
INSERT INTO webhook_deliveries (id) VALUES (%(id)s) ON CONFLICT DO NOTHING RETURNING id;

-- name: forget_deliveries
-- Past the tolerance a delivery is refused by its age.
DELETE FROM webhook_deliveries WHERE at < now() - interval '1 hour';

-- name: run_of_intent
-- The training or the generation that bears this intent.
SELECT id FROM trainings WHERE intent_id = %(intent_id)s
UNION ALL
SELECT id FROM generations WHERE intent_id = %(intent_id)s;
