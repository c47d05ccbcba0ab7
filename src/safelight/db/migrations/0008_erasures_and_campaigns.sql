-- Erasure of a subject or an owner, with its signed statement; campaigns over many subjects.

ALTER TYPE noun ADD VALUE IF NOT EXISTS 'erasure';
ALTER TYPE noun ADD VALUE IF NOT EXISTS 'campaign';

CREATE TYPE erasure_state AS ENUM ('stopping', 'deleting', 'checking', 'done');
CREATE TYPE campaign_state AS ENUM ('planned', 'running', 'paused', 'stopped', 'finished');
CREATE TYPE campaign_item_state AS ENUM ('waiting', 'running', 'done', 'failed', 'skipped');

-- From this moment the subject is gone for every door; its rows follow.
ALTER TABLE subjects ADD COLUMN erasing_at timestamptz;
ALTER TABLE owners ADD COLUMN erasing_at timestamptz;

-- Neither owner nor subject is a foreign key: the statement outlives both.
CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    -- NULL: the owner as a whole.
    subject_id uuid,
    -- The owner's erasure that this one is a part of.
    parent_id uuid REFERENCES erasures,
    state erasure_state NOT NULL DEFAULT 'stopping',
    reason text NOT NULL,
    asked_by text NOT NULL,
    -- What is to go and the names to look for afterwards; it goes itself once the statement stands.
    plan jsonb,
    statement jsonb,
    signature text,
    public_key text,
    asked_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    looked_again_at timestamptz,
    CHECK ((state = 'done') = (finished_at IS NOT NULL)),
    CHECK ((state = 'done') = (statement IS NOT NULL)),
    CHECK ((statement IS NULL) = (signature IS NULL)),
    CHECK ((statement IS NULL) = (public_key IS NULL)),
    CHECK (state <> 'done' OR plan IS NULL),
    CHECK (state NOT IN ('deleting', 'checking') OR plan IS NOT NULL)
);
CREATE UNIQUE INDEX erasures_open_of_subject ON erasures (subject_id) WHERE state <> 'done';
CREATE UNIQUE INDEX erasures_open_of_owner ON erasures (owner_id) WHERE state <> 'done' AND subject_id IS NULL;
CREATE INDEX erasures_of_owner ON erasures (owner_id, id DESC);
CREATE INDEX erasures_of_parent ON erasures (parent_id);

-- The key that signs statements where none is set; one row.
CREATE TABLE statement_keys (
    id int PRIMARY KEY CHECK (id = 1),
    seed bytea NOT NULL CHECK (length(seed) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE campaigns (
    id uuid PRIMARY KEY,
    owner_id uuid NOT NULL REFERENCES owners,
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('reinspect', 'retrain', 'purge', 'reset')),
    state campaign_state NOT NULL DEFAULT 'planned',
    selection jsonb NOT NULL,
    profile text,
    first_batch int NOT NULL CHECK (first_batch >= 0),
    at_once int NOT NULL CHECK (at_once > 0),
    budget_micro_usd bigint CHECK (budget_micro_usd >= 0),
    asked_by text NOT NULL,
    -- Why it stands still, where it does.
    reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    -- When it went on after its first batch.
    resumed_at timestamptz,
    finished_at timestamptz,
    CHECK (state NOT IN ('running', 'paused', 'finished') OR started_at IS NOT NULL),
    CHECK ((state IN ('stopped', 'finished')) = (finished_at IS NOT NULL)),
    CHECK (kind NOT IN ('reinspect', 'retrain', 'reset') OR profile IS NOT NULL)
);
CREATE INDEX campaigns_of_owner ON campaigns (owner_id, id DESC);

CREATE TABLE campaign_items (
    campaign_id uuid NOT NULL REFERENCES campaigns,
    position int NOT NULL CHECK (position > 0),
    -- A subject that is erased leaves its line in the report, without its name.
    subject_id uuid REFERENCES subjects ON DELETE SET NULL,
    state campaign_item_state NOT NULL DEFAULT 'waiting',
    -- What is being done with it: purging, training, inspecting.
    step text,
    training_id uuid REFERENCES trainings ON DELETE SET NULL,
    -- What the dry run counted, and what came of it.
    planned jsonb NOT NULL DEFAULT '{}',
    result jsonb NOT NULL DEFAULT '{}',
    estimate_micro_usd bigint NOT NULL DEFAULT 0 CHECK (estimate_micro_usd >= 0),
    cost_micro_usd bigint NOT NULL DEFAULT 0 CHECK (cost_micro_usd >= 0),
    reason text,
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (campaign_id, position),
    UNIQUE (campaign_id, subject_id),
    CHECK ((state IN ('done', 'failed', 'skipped')) = (finished_at IS NOT NULL)),
    CHECK (state NOT IN ('running', 'done') OR started_at IS NOT NULL),
    CHECK (state <> 'failed' OR reason IS NOT NULL)
);
CREATE INDEX campaign_items_of_subject ON campaign_items (subject_id);
CREATE INDEX campaign_items_of_training ON campaign_items (training_id);
CREATE INDEX campaign_items_open ON campaign_items (campaign_id, position) WHERE state IN ('waiting', 'running');

-- Every row that is deleted is looked for in what refers to it: no such look may read a whole table.
CREATE INDEX generations_of_subject ON generations (subject_id);
CREATE INDEX temporary_objects_of_subject ON temporary_objects (subject_id);
CREATE INDEX temporary_objects_of_training ON temporary_objects (training_id);
CREATE INDEX trainings_of_dataset ON trainings (dataset_id);
CREATE INDEX jobs_of_owner ON jobs (owner_id);

-- What hangs on some rows by foreign keys, however far: gathered from the catalogue, so that a table
-- that comes later is not forgotten. A key that says ON DELETE SET NULL lets its row live.
CREATE FUNCTION gather_dependents(root regclass, roots uuid[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    fk record;
    added bigint;
    grew boolean := true;
BEGIN
    CREATE TEMP TABLE IF NOT EXISTS doomed_rows (rel oid, id uuid, PRIMARY KEY (rel, id)) ON COMMIT DROP;
    CREATE TEMP TABLE IF NOT EXISTS doomed_loose (rel oid, col name, parent oid, PRIMARY KEY (rel, col, parent))
        ON COMMIT DROP;
    DELETE FROM doomed_rows;
    DELETE FROM doomed_loose;
    INSERT INTO doomed_rows SELECT root::oid, unnest(roots);
    WHILE grew LOOP
        grew := false;
        FOR fk IN
            SELECT c.conrelid AS rel, a.attname AS col, c.confrelid AS parent,
                   EXISTS (SELECT FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = i.indkey[0]
                           WHERE i.indrelid = c.conrelid AND i.indisprimary AND i.indnatts = 1
                             AND k.attname = 'id' AND k.atttypid = 'uuid'::regtype) AS has_id
            FROM pg_constraint c
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND array_length(c.conkey, 1) = 1 AND c.confdeltype <> 'n'
              AND c.conparentid = 0
              AND c.confrelid IN (SELECT DISTINCT rel FROM doomed_rows)
        LOOP
            IF fk.has_id THEN
                EXECUTE format(
                    'INSERT INTO doomed_rows SELECT %s, id FROM %s WHERE %I IN (SELECT id FROM doomed_rows WHERE rel = %s) '
                    'ON CONFLICT DO NOTHING', fk.rel, fk.rel::regclass, fk.col, fk.parent);
            ELSE
                INSERT INTO doomed_loose VALUES (fk.rel, fk.col, fk.parent) ON CONFLICT DO NOTHING;
            END IF;
            GET DIAGNOSTICS added = ROW_COUNT;
            grew := grew OR added > 0;
        END LOOP;
    END LOOP;
    -- A hold names what it keeps without a foreign key; one in force has stopped the erasure before.
    INSERT INTO doomed_rows SELECT 'holds'::regclass::oid, h.id FROM holds h
    WHERE h.noun_id IN (SELECT id FROM doomed_rows) ON CONFLICT DO NOTHING;
END $$;

-- The WHERE that picks the gathered rows of one table.
CREATE FUNCTION dependents_where(of_rel oid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM doomed_rows WHERE rel = of_rel) THEN
        RETURN format('id IN (SELECT id FROM doomed_rows WHERE rel = %s)', of_rel);
    END IF;
    RETURN (SELECT string_agg(format('%I IN (SELECT id FROM doomed_rows WHERE rel = %s)', col, parent), ' OR ')
            FROM doomed_loose WHERE rel = of_rel);
END $$;

CREATE FUNCTION show_dependents(root regclass, roots uuid[])
RETURNS TABLE (relation text, content jsonb) LANGUAGE plpgsql AS $$
DECLARE
    found oid;
BEGIN
    PERFORM gather_dependents(root, roots);
    FOR found IN SELECT rel FROM doomed_rows UNION SELECT rel FROM doomed_loose LOOP
        RETURN QUERY EXECUTE format(
            'SELECT %L::text, to_jsonb(t) FROM %s t WHERE %s', found::regclass, found::regclass, dependents_where(found));
    END LOOP;
    RETURN QUERY SELECT 'events'::text, to_jsonb(e) FROM events e WHERE e.noun_id IN (SELECT id FROM doomed_rows);
END $$;

-- All of it in one statement, so that no order of tables matters; then the events that are about it.
CREATE FUNCTION delete_dependents(root regclass, roots uuid[])
RETURNS TABLE (relation text, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
    parts text;
    counts text;
BEGIN
    PERFORM gather_dependents(root, roots);
    SELECT string_agg(format('gone_%s AS (DELETE FROM %s WHERE %s RETURNING 1)', rel, rel::regclass, dependents_where(rel)), ', '),
           string_agg(format('SELECT %L::text, (SELECT count(*) FROM gone_%s)', rel::regclass, rel), ' UNION ALL ')
    INTO parts, counts
    FROM (SELECT rel FROM doomed_rows UNION SELECT rel FROM doomed_loose) tables;
    RETURN QUERY EXECUTE 'WITH ' || parts || ' ' || counts;
    WITH gone AS (DELETE FROM events WHERE noun_id IN (SELECT id FROM doomed_rows) RETURNING 1)
    SELECT 'events', count(*) INTO relation, rows FROM gone;
    RETURN NEXT;
END $$;

-- How many rows between two blocks of a table name something: a text that is somewhere in the row, or a
-- word that the row's text has whole. `remove` deletes them.
CREATE FUNCTION rows_that_name(
    relation regclass, first_block bigint, last_block bigint, texts text[], words text[], remove boolean
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE format(
        CASE WHEN remove
            THEN 'WITH gone AS (DELETE FROM %s t WHERE %s RETURNING 1) SELECT count(*) FROM gone'
            ELSE 'SELECT count(*) FROM %s t WHERE %s' END,
        relation,
        format('t.ctid >= %L::tid AND t.ctid < %L::tid AND (lower(t::text) LIKE ANY ($1) '
               'OR string_to_array(regexp_replace(lower(t::text), ''[^a-z0-9_-]+'', '' '', ''g''), '' '') && $2)',
               format('(%s,0)', first_block), format('(%s,0)', last_block)))
    INTO found USING (SELECT coalesce(array_agg('%' || x || '%'), '{}') FROM unnest(texts) x), words;
    RETURN found;
END $$;
