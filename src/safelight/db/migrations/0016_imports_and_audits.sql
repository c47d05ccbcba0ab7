-- What a producer asks for and no request may wait for: versions trained elsewhere, and audits that read every
-- object. A row each, worked off by a job.
ALTER TYPE noun ADD VALUE IF NOT EXISTS 'import';
ALTER TYPE noun ADD VALUE IF NOT EXISTS 'audit';

CREATE TABLE imports (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    subject_id uuid NOT NULL REFERENCES subjects,
    model text NOT NULL,
    -- What it was trained with, where the asker says so.
    trigger_word text,
    lora_scale double precision NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    version_id uuid REFERENCES versions,
    error text,
    asked_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((state = 'waiting') = (finished_at IS NULL)),
    CHECK ((state = 'done') = (version_id IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX imports_of_owner ON imports (owner_id, id DESC);
CREATE INDEX imports_of_subject ON imports (subject_id);
CREATE INDEX imports_of_version ON imports (version_id);

CREATE TABLE audits (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    subject_id uuid NOT NULL REFERENCES subjects,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    result jsonb,
    error text,
    asked_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((state = 'waiting') = (finished_at IS NULL)),
    CHECK ((state = 'done') = (result IS NOT NULL)),
    CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX audits_of_owner ON audits (owner_id, id DESC);
CREATE INDEX audits_of_subject ON audits (subject_id, id DESC);
