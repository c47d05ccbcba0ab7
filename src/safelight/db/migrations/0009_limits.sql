-- Watching by need, and limits that protect the owner.

-- Whose log is read first: those somebody looks at, then those not read for longest.
ALTER TABLE trainings ADD COLUMN looked_at timestamptz, ADD COLUMN logged_at timestamptz;

-- What an owner may spend a UTC day and have in training at once; NULL: no limit.
ALTER TABLE owners
    ADD COLUMN daily_cap_micro_usd bigint CHECK (daily_cap_micro_usd >= 0),
    ADD COLUMN max_in_flight int CHECK (max_in_flight > 0);

-- Money is reserved before the one request that may cost; what it cost takes its place at the end.
ALTER TABLE trainings ADD COLUMN reserved_micro_usd bigint CHECK (reserved_micro_usd >= 0),
                      ADD COLUMN reserved_on date;
ALTER TABLE generations ADD COLUMN reserved_micro_usd bigint CHECK (reserved_micro_usd >= 0),
                        ADD COLUMN reserved_on date;
CREATE INDEX trainings_reserved ON trainings (owner_id, reserved_on) WHERE reserved_on IS NOT NULL;
CREATE INDEX generations_reserved ON generations (owner_id, reserved_on) WHERE reserved_on IS NOT NULL;
CREATE INDEX trainings_in_flight_of_owner ON trainings (owner_id) WHERE state IN ('submitting', 'unknown', 'training');

-- Deliveries of the provider's webhooks that were taken: one that is played again changes nothing.
CREATE TABLE webhook_deliveries (
    id text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX trainings_of_intent ON trainings (intent_id) WHERE intent_id IS NOT NULL;
CREATE UNIQUE INDEX generations_of_intent ON generations (intent_id) WHERE intent_id IS NOT NULL;
