-- name: take_slot
-- The clock's turn for one slot of periodic work: one row for whichever clock comes first.
INSERT INTO ticks (name, slot)
VALUES (%(name)s, date_bin(make_interval(secs => %(period)s), now(), 'epoch'))
ON CONFLICT DO NOTHING
RETURNING slot;

-- name: forget_slots
-- Slots long past serve nothing; the last one of a name may be of a long period.
DELETE FROM ticks t WHERE slot < now() - interval '2 days'
  AND EXISTS (SELECT FROM ticks n WHERE n.name = t.name AND n.slot > t.slot);

-- name: signs_of_life
-- Seconds since the clock last took a slot.
SELECT extract(epoch FROM now() - max(slot))::float8 AS clock_seconds FROM ticks WHERE name <> 'forget';
