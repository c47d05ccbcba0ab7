-- Who approved a version and why; what it was tuned to; versions trained elsewhere; what became of a prompt.

-- The same prompt and seed without the LoRA, beside the previews: what the base model draws by itself.
ALTER TYPE generation_purpose ADD VALUE IF NOT EXISTS 'control';
ALTER TYPE noun ADD VALUE IF NOT EXISTS 'owner';
CREATE TYPE version_origin AS ENUM ('trained', 'imported');

-- How an owner's versions come to draw: `first-version` lets a subject's first one draw at once and has
-- later ones wait for a person; `person` has every one wait.
ALTER TABLE owners
    ADD COLUMN approval text NOT NULL DEFAULT 'first-version' CHECK (approval IN ('first-version', 'person')),
    ADD COLUMN draw_unapproved boolean NOT NULL DEFAULT false;

ALTER TABLE versions
    ADD COLUMN origin version_origin NOT NULL DEFAULT 'trained',
    ADD COLUMN guidance double precision CHECK (guidance BETWEEN 0 AND 10),
    ADD COLUMN approved_at timestamptz,
    ADD COLUMN approved_by text,
    ADD COLUMN approved_why text,
    ADD COLUMN rejected_at timestamptz,
    ADD COLUMN rejected_by text,
    ADD COLUMN rejected_why text,
    -- The drawing model's own inputs, as the provider showed them for this version.
    ADD COLUMN draw_inputs jsonb,
    -- Of an imported one: what could be found out, and what cannot be verified.
    ADD COLUMN known jsonb,
    ALTER COLUMN training_id DROP NOT NULL,
    ALTER COLUMN weights_key DROP NOT NULL,
    ALTER COLUMN weights_bytes DROP NOT NULL,
    ALTER COLUMN weights_sha256 DROP NOT NULL,
    ALTER COLUMN rank DROP NOT NULL,
    ALTER COLUMN tensors DROP NOT NULL,
    ALTER COLUMN provider_model DROP NOT NULL,
    ALTER COLUMN provider_version DROP NOT NULL;

UPDATE versions SET approved_at = activated_at, approved_by = 'unknown',
                    approved_why = 'active before approvals were recorded'
WHERE activated_at IS NOT NULL;

ALTER TABLE versions
    -- I5 as before for what was trained here; an import needs weights of its own, a provider's version, or both.
    ADD CONSTRAINT versions_trained CHECK (
        origin = 'imported' OR (training_id IS NOT NULL AND weights_key IS NOT NULL AND rank IS NOT NULL
                                AND tensors IS NOT NULL AND provider_model IS NOT NULL)),
    ADD CONSTRAINT versions_imported CHECK (
        origin = 'trained' OR (training_id IS NULL AND known IS NOT NULL
                               AND (weights_key IS NOT NULL OR provider_version IS NOT NULL))),
    ADD CONSTRAINT versions_weights CHECK (
        (weights_key IS NULL) = (weights_sha256 IS NULL) AND (weights_key IS NULL) = (weights_bytes IS NULL)),
    ADD CONSTRAINT versions_provider CHECK ((provider_model IS NULL) = (provider_version IS NULL)),
    ADD CONSTRAINT versions_approval CHECK (
        (approved_at IS NULL) = (approved_by IS NULL) AND (approved_at IS NULL) = (approved_why IS NULL)),
    ADD CONSTRAINT versions_rejection CHECK (
        (rejected_at IS NULL) = (rejected_by IS NULL) AND (rejected_at IS NULL) = (rejected_why IS NULL)),
    ADD CONSTRAINT versions_drawing CHECK (state <> 'active' OR provider_version IS NOT NULL);
CREATE UNIQUE INDEX versions_imported_once ON versions (subject_id, provider_model, provider_version)
    WHERE origin = 'imported' AND provider_version IS NOT NULL AND state <> 'deleted';

ALTER TABLE generations
    -- What the asker wrote, and every change made to it before it was sent (R-69, R-70).
    ADD COLUMN asked_prompt text,
    ADD COLUMN changes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN preset text;
