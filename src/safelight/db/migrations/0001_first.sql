-- The nouns of the design. Tables say what may be: enums, CHECKs that tie columns to states, partial
-- unique indexes. Ids are UUIDv7 made by the code; time is the database's.

CREATE TYPE queue AS ENUM ('preprocess', 'submit', 'poll', 'generate', 'cleanup');
CREATE TYPE job_state AS ENUM ('ready', 'leased', 'done', 'parked', 'canceled');
CREATE TYPE photo_state AS ENUM ('awaited', 'stored', 'accepted', 'rejected', 'removed');
CREATE TYPE training_state AS ENUM (
    'queued', 'preparing', 'blocked', 'ready', 'submitting', 'unknown', 'training', 'storing',
    'succeeded', 'failed', 'canceled');
CREATE TYPE version_state AS ENUM ('candidate', 'active', 'archived', 'deleted');
CREATE TYPE generation_state AS ENUM (
    'queued', 'submitting', 'unknown', 'drawing', 'storing', 'succeeded', 'failed', 'canceled');
CREATE TYPE subject_kind AS ENUM ('person', 'model', 'character');
CREATE TYPE generation_purpose AS ENUM ('preview', 'request');
CREATE TYPE noun AS ENUM ('subject', 'photo', 'dataset', 'training', 'version', 'generation', 'job', 'queue', 'key');

CREATE TABLE owners (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    label text NOT NULL,
    -- sha256 of a key of 256 random bits: nothing to guess, so no slow hash is needed.
    key_hash bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

CREATE TABLE subjects (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    name text NOT NULL CHECK (name <> ''),
    kind subject_kind NOT NULL,
    -- Made once, never retyped (R-4, R-5, K23).
    trigger_word text NOT NULL UNIQUE,
    consented_at timestamptz,
    consent_note text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_id, name),
    CHECK ((consented_at IS NULL) = (consent_note IS NULL))
);

CREATE TABLE photos (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects,
    name text NOT NULL CHECK (name <> ''),
    key text NOT NULL UNIQUE,
    state photo_state NOT NULL,
    caption text,
    bytes bigint CHECK (bytes >= 0),
    sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    facts jsonb,
    findings jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL DEFAULT now(),
    inspected_at timestamptz,
    CHECK (state = 'awaited' OR state = 'removed' OR bytes IS NOT NULL),
    CHECK (state NOT IN ('accepted', 'rejected') OR inspected_at IS NOT NULL),
    CHECK (state <> 'accepted' OR (facts IS NOT NULL AND sha256 IS NOT NULL))
);
-- The same file sent twice is one photo; two names for the same bytes are two, and a finding.
CREATE UNIQUE INDEX photos_once ON photos (subject_id, name, sha256) WHERE state <> 'removed';
CREATE INDEX photos_of_subject ON photos (subject_id, id);

CREATE TABLE datasets (
    id uuid PRIMARY KEY,
    subject_id uuid NOT NULL REFERENCES subjects,
    number int NOT NULL CHECK (number > 0),
    profile text NOT NULL,
    key text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    manifest_key text NOT NULL,
    manifest jsonb NOT NULL,
    report jsonb NOT NULL,
    photos int NOT NULL CHECK (photos > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (subject_id, number)
);

CREATE TABLE dataset_photos (
    dataset_id uuid NOT NULL REFERENCES datasets,
    photo_id uuid NOT NULL REFERENCES photos,
    file text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    caption text NOT NULL,
    PRIMARY KEY (dataset_id, photo_id)
);
CREATE INDEX dataset_photos_of_photo ON dataset_photos (photo_id);

CREATE TABLE trainings (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    subject_id uuid NOT NULL REFERENCES subjects,
    number int NOT NULL CHECK (number > 0),
    state training_state NOT NULL DEFAULT 'queued',
    profile text NOT NULL,
    overrides jsonb NOT NULL DEFAULT '{}',
    dataset_id uuid REFERENCES datasets,
    report jsonb,
    trainer text NOT NULL,
    trainer_version text,
    trainer_version_observed text,
    destination text,
    -- The three columns: what was asked for, what was sent, what the trainer really used.
    asked jsonb,
    sent jsonb,
    effective jsonb,
    intent_id uuid,
    intent_at timestamptz,
    provider_id text UNIQUE,
    provider_status text,
    output jsonb,
    step int,
    steps int,
    loss double precision,
    course jsonb,
    log_tail text,
    watched_at timestamptz,
    predict_seconds double precision,
    cost_micro_usd bigint,
    error text,
    cancel_requested_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    finished_at timestamptz,
    UNIQUE (subject_id, number),
    CHECK ((intent_id IS NULL) = (intent_at IS NULL)),
    CHECK (state NOT IN ('submitting', 'unknown', 'training', 'storing', 'succeeded')
           OR (intent_id IS NOT NULL AND sent IS NOT NULL AND dataset_id IS NOT NULL)),
    CHECK (state NOT IN ('training', 'storing', 'succeeded') OR provider_id IS NOT NULL),
    CHECK ((state IN ('succeeded', 'failed', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'failed' OR error IS NOT NULL)
);
-- One open training a subject.
CREATE UNIQUE INDEX trainings_open ON trainings (subject_id)
    WHERE state NOT IN ('succeeded', 'failed', 'canceled');
CREATE INDEX trainings_in_flight ON trainings (accepted_at) WHERE state = 'training';
CREATE INDEX trainings_of_owner ON trainings (owner_id, id DESC);

CREATE TABLE versions (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    subject_id uuid NOT NULL REFERENCES subjects,
    training_id uuid NOT NULL UNIQUE REFERENCES trainings,
    number int NOT NULL CHECK (number > 0),
    state version_state NOT NULL DEFAULT 'candidate',
    trigger_word text NOT NULL,
    lora_scale double precision NOT NULL DEFAULT 1.0 CHECK (lora_scale BETWEEN -1 AND 3),
    -- I5: a version row exists only for weights that are stored and verified.
    weights_key text NOT NULL,
    weights_bytes bigint NOT NULL CHECK (weights_bytes > 0),
    weights_sha256 text NOT NULL CHECK (weights_sha256 ~ '^[0-9a-f]{64}$'),
    rank int NOT NULL CHECK (rank BETWEEN 1 AND 128),
    tensors int NOT NULL CHECK (tensors > 0),
    provider_model text NOT NULL,
    provider_version text NOT NULL,
    provider_delete_asked_at timestamptz,
    provider_deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz,
    archived_at timestamptz,
    deleted_at timestamptz,
    UNIQUE (subject_id, number),
    CHECK (state <> 'active' OR activated_at IS NOT NULL),
    CHECK ((state IN ('archived', 'deleted')) = (archived_at IS NOT NULL)),
    CHECK ((state = 'deleted') = (deleted_at IS NOT NULL))
);
-- One active version a subject.
CREATE UNIQUE INDEX versions_active ON versions (subject_id) WHERE state = 'active';
CREATE INDEX versions_of_owner ON versions (owner_id, id DESC);

CREATE TABLE generations (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    subject_id uuid NOT NULL REFERENCES subjects,
    version_id uuid NOT NULL REFERENCES versions,
    purpose generation_purpose NOT NULL,
    state generation_state NOT NULL DEFAULT 'queued',
    prompt text NOT NULL,
    input jsonb NOT NULL,
    intent_id uuid,
    intent_at timestamptz,
    provider_id text UNIQUE,
    provider_status text,
    output jsonb,
    watched_at timestamptz,
    predict_seconds double precision,
    cost_micro_usd bigint,
    error text,
    cancel_requested_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    finished_at timestamptz,
    CHECK ((intent_id IS NULL) = (intent_at IS NULL)),
    CHECK (state NOT IN ('submitting', 'unknown', 'drawing', 'storing', 'succeeded')
           OR intent_id IS NOT NULL),
    CHECK (state NOT IN ('drawing', 'storing', 'succeeded') OR provider_id IS NOT NULL),
    CHECK ((state IN ('succeeded', 'failed', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'failed' OR error IS NOT NULL)
);
CREATE INDEX generations_in_flight ON generations (accepted_at) WHERE state = 'drawing';
CREATE INDEX generations_of_owner ON generations (owner_id, id DESC);
CREATE INDEX generations_of_version ON generations (version_id, id);

CREATE TABLE images (
    id uuid PRIMARY KEY,
    generation_id uuid NOT NULL REFERENCES generations,
    number int NOT NULL CHECK (number >= 0),
    key text NOT NULL UNIQUE,
    bytes bigint NOT NULL CHECK (bytes > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    width int NOT NULL CHECK (width > 0),
    height int NOT NULL CHECK (height > 0),
    format text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (generation_id, number)
);

-- Objects that exist only for a while; `cleanup` deletes them past their age, never one a live job needs.
CREATE TABLE temporary_objects (
    key text PRIMARY KEY,
    purpose text NOT NULL,
    subject_id uuid REFERENCES subjects,
    training_id uuid REFERENCES trainings,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX temporary_objects_due ON temporary_objects (expires_at);

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    queue queue NOT NULL,
    kind text NOT NULL,
    owner_id uuid REFERENCES owners,
    subject_id uuid REFERENCES subjects,
    target_id uuid,
    state job_state NOT NULL DEFAULT 'ready',
    due_at timestamptz NOT NULL DEFAULT now(),
    hinted_at timestamptz,
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    max_attempts int NOT NULL CHECK (max_attempts > 0),
    lease_seconds double precision NOT NULL CHECK (lease_seconds > 0),
    lease_owner text,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    -- One open job a key; asked for again while it runs, it runs once more.
    unique_key text,
    rerun boolean NOT NULL DEFAULT false,
    cancel_requested_at timestamptz,
    reason text,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((state = 'leased') = (lease_until IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_owner IS NOT NULL)),
    CHECK ((state IN ('done', 'canceled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'parked' OR error IS NOT NULL)
);
CREATE UNIQUE INDEX jobs_unique_open ON jobs (unique_key) WHERE state IN ('ready', 'leased', 'parked');
CREATE INDEX jobs_due ON jobs (queue, due_at) WHERE state = 'ready';
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'leased';
CREATE INDEX jobs_of_target ON jobs (target_id) WHERE state IN ('ready', 'leased', 'parked');
CREATE INDEX jobs_of_subject ON jobs (subject_id, id DESC);
CREATE INDEX jobs_parked ON jobs (id) WHERE state = 'parked';

CREATE TABLE queue_controls (
    queue queue PRIMARY KEY,
    paused boolean NOT NULL DEFAULT false,
    reason text,
    changed_by text,
    changed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO queue_controls (queue) SELECT unnest(enum_range(NULL::queue));

-- The clock's periodic work: one row a slot, so that two clocks do no harm.
CREATE TABLE ticks (
    name text NOT NULL,
    slot timestamptz NOT NULL,
    PRIMARY KEY (name, slot)
);

CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    noun noun NOT NULL,
    noun_id uuid,
    before text,
    after text NOT NULL,
    actor text NOT NULL,
    detail jsonb
);
CREATE INDEX events_of_noun ON events (noun_id, id);

CREATE TABLE idempotency_keys (
    owner_id uuid NOT NULL REFERENCES owners,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status int,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
