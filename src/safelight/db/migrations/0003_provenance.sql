-- Provenance: the trainer's inputs as its version declares them, profiles as they were used, what the
-- trainer did otherwise than it was told, and what its weights hold, layer by layer.

-- A version's schema never changes, so it is read once. `inputs` is its TrainingInput.
CREATE TABLE trainer_schemas (
    trainer text NOT NULL,
    version text NOT NULL,
    inputs jsonb NOT NULL,
    read_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (trainer, version)
);

-- A profile is immutable: its text is kept with the first training that used it, and another text
-- under the same id is refused.
CREATE TABLE profiles (
    id text PRIMARY KEY CHECK (id ~ '^[^@]+@[^@]+$'),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    text text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE trainings
    ADD COLUMN profile_sha256 text CHECK (profile_sha256 ~ '^[0-9a-f]{64}$'),
    -- What the inputs were checked against: the trainer's version, or 'bundled'.
    ADD COLUMN inputs_source text,
    -- Photos that the trainer itself says it found.
    ADD COLUMN images int CHECK (images >= 0),
    ADD COLUMN differences jsonb,
    ADD COLUMN cancel_reason text;

-- What came of the runs that can be measured: the newest of a profile.
CREATE INDEX trainings_measured ON trainings (profile, id DESC)
    WHERE state = 'succeeded' AND predict_seconds IS NOT NULL;

ALTER TABLE versions
    ADD COLUMN weights jsonb,
    -- What the trainer did otherwise than it was told, where that matters.
    ADD COLUMN marks jsonb NOT NULL DEFAULT '[]';
