-- An erasure deletes what is the erased subject's, and no row of anybody else: another owner's text may
-- hold the same word, by chance or on purpose.

-- Whose a row is: the owner and the subject it hangs on; NULLs for what is nobody's (queues, walks, strays).
CREATE FUNCTION whose(relation text, content jsonb, OUT owner uuid, OUT subject uuid) LANGUAGE plpgsql STABLE AS $$
DECLARE
    named uuid;
BEGIN
    IF relation = 'events' THEN
        named := (content->>'noun_id')::uuid;
        CASE content->>'noun'
            WHEN 'subject' THEN subject := named;
            WHEN 'photo' THEN SELECT p.subject_id INTO subject FROM photos p WHERE p.id = named;
            WHEN 'dataset' THEN SELECT d.subject_id INTO subject FROM datasets d WHERE d.id = named;
            WHEN 'training' THEN SELECT t.subject_id INTO subject FROM trainings t WHERE t.id = named;
            WHEN 'version' THEN SELECT v.subject_id INTO subject FROM versions v WHERE v.id = named;
            WHEN 'generation' THEN SELECT g.subject_id INTO subject FROM generations g WHERE g.id = named;
            WHEN 'image' THEN SELECT g.subject_id INTO subject FROM images i JOIN generations g ON g.id = i.generation_id WHERE i.id = named;
            WHEN 'import' THEN SELECT i.subject_id INTO subject FROM imports i WHERE i.id = named;
            WHEN 'audit' THEN SELECT a.subject_id INTO subject FROM audits a WHERE a.id = named;
            WHEN 'job' THEN SELECT j.owner_id, j.subject_id INTO owner, subject FROM jobs j WHERE j.id = named;
            WHEN 'campaign' THEN SELECT c.owner_id INTO owner FROM campaigns c WHERE c.id = named;
            WHEN 'key' THEN SELECT k.owner_id INTO owner FROM api_keys k WHERE k.id = named;
            WHEN 'erasure' THEN SELECT e.owner_id INTO owner FROM erasures e WHERE e.id = named;
            ELSE NULL;
        END CASE;
    ELSE
        subject := coalesce(
            CASE WHEN relation = 'subjects' THEN (content->>'id')::uuid ELSE (content->>'subject_id')::uuid END,
            (SELECT g.subject_id FROM generations g WHERE g.id = (content->>'generation_id')::uuid),
            (SELECT t.subject_id FROM trainings t WHERE t.id = (content->>'training_id')::uuid),
            (SELECT v.subject_id FROM versions v WHERE v.id = (content->>'version_id')::uuid),
            (SELECT p.subject_id FROM photos p WHERE p.id = (content->>'photo_id')::uuid),
            (SELECT d.subject_id FROM datasets d WHERE d.id = (content->>'dataset_id')::uuid));
        owner := coalesce(
            CASE WHEN relation = 'owners' THEN (content->>'id')::uuid ELSE (content->>'owner_id')::uuid END,
            (SELECT c.owner_id FROM campaigns c WHERE c.id = (content->>'campaign_id')::uuid));
    END IF;
    IF owner IS NULL AND subject IS NOT NULL THEN
        SELECT s.owner_id INTO owner FROM subjects s WHERE s.id = subject;
    END IF;
END $$;

-- Rows between two blocks of a table that name something: a text that is somewhere in the row, or a word
-- that the row's text has whole, an id also within a longer word. `own`: those of nobody, or of `whom` and of
-- no subject that goes on; `remove` deletes them. `others`: those of another owner or of another subject, and
-- what the owner named with its own words (a campaign, a hold, a key); they stay.
CREATE FUNCTION rows_naming(
    relation regclass, first_block bigint, last_block bigint, texts text[], words text[],
    whom uuid, gone uuid, remove boolean, OUT own bigint, OUT others bigint
) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'WITH named AS (
             SELECT t.ctid AS at, to_jsonb(t) AS content FROM %s t
             WHERE t.ctid >= %L::tid AND t.ctid < %L::tid
               AND (EXISTS (SELECT FROM unnest($1) x WHERE position(x IN lower(t::text)) > 0)
                    OR string_to_array(regexp_replace(lower(t::text), ''[^a-z0-9_-]+'', '' '', ''g''), '' '') && $2
                    OR (SELECT array_agg(m[1]) FROM regexp_matches(lower(t::text),
                            ''([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})'', ''g'') m) && $2)
             FOR UPDATE
         ), told AS (
             SELECT at, coalesce(w.owner <> $3, false) OR %L IN (''campaigns'', ''holds'', ''api_keys'')
                        OR EXISTS (SELECT FROM subjects s WHERE s.id = w.subject AND s.id IS DISTINCT FROM $4) AS theirs
             FROM named, LATERAL whose(%L, content) w
         ), deleted AS (
             DELETE FROM %s t USING told WHERE $5 AND t.ctid = told.at AND NOT theirs
         )
         SELECT count(*) FILTER (WHERE NOT theirs), count(*) FILTER (WHERE theirs) FROM told',
        relation, format('(%s,0)', first_block), format('(%s,0)', last_block), relation::text, relation::text, relation)
    INTO own, others USING texts, words, whom, gone, remove;
END $$;

-- The one before it took a text as a pattern and deleted whoever's rows it fitted. A worker from before
-- this migration tries its check again, and finds nothing to call: better than what it would do.
DROP FUNCTION rows_that_name(regclass, bigint, bigint, text[], text[], boolean);
