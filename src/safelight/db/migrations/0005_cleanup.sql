-- Retention, holds, the recycle window, and the walks that compare store and provider with the rows.

ALTER TYPE noun ADD VALUE IF NOT EXISTS 'image';
ALTER TYPE noun ADD VALUE IF NOT EXISTS 'hold';

-- Removed is soft: `removed_at` starts the recycle window; `purged_at` is set once the object is given
-- to the sweep, and from then on nothing can be had back.
ALTER TABLE photos ADD COLUMN removed_at timestamptz, ADD COLUMN purged_at timestamptz;
UPDATE photos SET removed_at = now() WHERE state = 'removed';
CREATE INDEX photos_removed ON photos (removed_at) WHERE state = 'removed' AND purged_at IS NULL;
ALTER TABLE images ADD COLUMN removed_at timestamptz, ADD COLUMN purged_at timestamptz,
    ADD CONSTRAINT images_purged CHECK (purged_at IS NULL OR removed_at IS NOT NULL);
CREATE INDEX images_removed ON images (removed_at) WHERE removed_at IS NOT NULL AND purged_at IS NULL;
ALTER TABLE datasets ADD COLUMN purged_at timestamptz;
ALTER TABLE versions ADD COLUMN removed_at timestamptz,
    -- What came of asking the provider to delete its copy.
    ADD COLUMN provider_delete_sent_at timestamptz,
    ADD COLUMN provider_delete_error text,
    ADD COLUMN storage_class text;
CREATE INDEX versions_to_delete_there ON versions (archived_at)
    WHERE archived_at IS NOT NULL AND provider_deleted_at IS NULL;
ALTER TABLE temporary_objects ADD COLUMN bytes bigint CHECK (bytes >= 0);
CREATE INDEX events_by_age ON events USING brin (at);

-- Something (a subject, an owner, a version, a photo, whatever has an id) that nothing may delete.
CREATE TABLE holds (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    noun text NOT NULL CHECK (noun <> ''),
    noun_id uuid NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now(),
    released_by text,
    released_at timestamptz,
    CHECK ((released_by IS NULL) = (released_at IS NULL))
);
CREATE UNIQUE INDEX holds_in_force ON holds (noun_id) WHERE released_at IS NULL;

CREATE FUNCTION held(VARIADIC ids uuid[]) RETURNS boolean LANGUAGE sql STABLE AS
    'SELECT EXISTS (SELECT FROM holds WHERE released_at IS NULL AND noun_id = ANY(ids))';
CREATE FUNCTION in_training(subject uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM trainings WHERE subject_id = subject
                   AND state NOT IN ('succeeded', 'failed', 'canceled'))
$$;
CREATE FUNCTION has_open_job(target uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM jobs WHERE target_id = target AND state IN ('ready', 'leased', 'parked'))
$$;
CREATE FUNCTION owner_of(subject uuid) RETURNS uuid LANGUAGE sql STABLE AS
    'SELECT owner_id FROM subjects WHERE id = subject';

-- Where a walk stands: it is resumed after `cursor`, and holds no list in memory.
CREATE TABLE walks (
    id uuid PRIMARY KEY,
    place text NOT NULL CHECK (place IN ('store', 'provider')),
    cursor text,
    seen bigint NOT NULL DEFAULT 0,
    bytes bigint NOT NULL DEFAULT 0,
    unknown bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE UNIQUE INDEX walks_open ON walks (place) WHERE finished_at IS NULL;

-- What the walks found: in the store or at the provider and unknown here, or known here and gone there.
CREATE TABLE strays (
    place text NOT NULL CHECK (place IN ('store', 'provider')),
    name text COLLATE "C" NOT NULL,
    what text NOT NULL CHECK (what IN ('unknown', 'missing')),
    noun text,
    noun_id uuid,
    bytes bigint,
    detail text,
    walk_id uuid NOT NULL REFERENCES walks,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (place, name)
);

-- The walk goes through every key that a row names, in the store's order: by bytes.
CREATE INDEX photos_by_key ON photos (key COLLATE "C");
CREATE INDEX datasets_by_key ON datasets (key COLLATE "C");
CREATE INDEX datasets_by_manifest ON datasets (manifest_key COLLATE "C");
CREATE INDEX versions_by_key ON versions (weights_key COLLATE "C");
CREATE INDEX images_by_key ON images (key COLLATE "C");
CREATE INDEX temporary_by_key ON temporary_objects (key COLLATE "C");
