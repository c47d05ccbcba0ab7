-- Watching by need, and limits that protect the owner.

-- Whose log is read first: those somebody looks at, then those not read for longest.
ALTER TABLE trainings ADD COLUMN looked_at timestamptz, ADD COLUMN logged_at timestamptz;

-- What an owner may spend a UTC day and have in flight; NULL: no limit.
ALTER TABLE owners
    ADD COLUMN daily_cap_micro_usd bigint CHECK (daily_cap_micro_usd >= 0),
    ADD COLUMN max_in_flight int CHECK (max_in_flight > 0);

-- Money by intent: reserved before the one request that may cost, settled with what it cost.
CREATE TABLE spending (
    id uuid PRIMARY KEY, -- the training's or the generation's
    owner_id uuid NOT NULL REFERENCES owners,
    day date NOT NULL,
    reserved_micro_usd bigint NOT NULL CHECK (reserved_micro_usd >= 0),
    settled_micro_usd bigint CHECK (settled_micro_usd >= 0),
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spending_of_owner ON spending (owner_id, day);
CREATE INDEX trainings_in_flight_of_owner ON trainings (owner_id) WHERE state IN ('submitting', 'unknown', 'training');
