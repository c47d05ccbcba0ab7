-- name: mark_subject
-- From this moment the subject is gone for every door; no row: it is not there, or is going already.
UPDATE subjects SET erasing_at = now()
WHERE id = %(subject_id)s AND owner_id = %(owner_id)s AND erasing_at IS NULL RETURNING id, name;

-- name: mark_owner
-- From this moment the owner can make no new subject.
UPDATE owners SET erasing_at = coalesce(erasing_at, now()) WHERE id = %(owner_id)s RETURNING name;

-- name: insert_erasure
-- An erasure is asked for.
WITH made AS (
    INSERT INTO erasures (id, owner_id, subject_id, parent_id, reason, asked_by)
    VALUES (%(id)s, %(owner_id)s, %(subject_id)s, %(parent_id)s, %(reason)s, %(asked_by)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'erasure', id, NULL, 'stopping', %(asked_by)s FROM made
)
SELECT * FROM made;

-- name: get_erasure
-- One erasure; an owner, where given, sees only its own.
SELECT * FROM erasures WHERE id = %(id)s AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s);

-- name: lock_erasure
-- One erasure, locked.
SELECT * FROM erasures WHERE id = %(id)s FOR UPDATE;

-- name: open_erasure
-- The erasure of a subject (or, with none, of an owner) that is under way.
SELECT * FROM erasures
WHERE owner_id = %(owner_id)s AND subject_id IS NOT DISTINCT FROM %(subject_id)s::uuid AND state <> 'done';

-- name: list_erasures
-- Erasures, newest first, a page by keyset; of an owner, where given, or the parts of another.
SELECT * FROM erasures
WHERE (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s)
  AND (%(parent_id)s::uuid IS NULL OR parent_id = %(parent_id)s)
  AND (%(after)s::uuid IS NULL OR id < %(after)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: move_erasure
-- From one state to the next, with what it has to remember; no row: it stands elsewhere by now.
WITH changed AS (
    UPDATE erasures SET state = %(after)s, plan = coalesce(%(plan)s, plan)
    WHERE id = %(id)s AND state = %(before)s RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'erasure', id, %(before)s, %(after)s, %(actor)s FROM changed
)
SELECT * FROM changed;

-- name: remember
-- What the erasure has to know after the rows are gone.
UPDATE erasures SET plan = %(plan)s WHERE id = %(id)s AND state <> 'done';

-- name: finish_erasure
-- The statement stands, and what it was made from goes.
WITH changed AS (
    UPDATE erasures SET state = 'done', plan = NULL, finished_at = now(), statement = %(statement)s,
                        signature = %(signature)s, public_key = %(public_key)s
    WHERE id = %(id)s AND state = 'checking' RETURNING id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'erasure', id, 'checking', 'done', %(actor)s FROM changed
)
SELECT id FROM changed;

-- name: amend_erasure
-- Looked at again, once nothing that was under way can arrive any more: the statement says so.
UPDATE erasures SET looked_again_at = now(), statement = %(statement)s, signature = %(signature)s,
                    public_key = %(public_key)s
WHERE id = %(id)s AND state = 'done';

-- name: lock_open_jobs
-- The subject's jobs that have not ended, locked; settles: of a paid request that must come to its end.
SELECT j.id, j.state,
       EXISTS (SELECT FROM trainings t WHERE t.id = j.target_id AND t.state IN ('submitting', 'unknown'))
       OR EXISTS (SELECT FROM generations g WHERE g.id = j.target_id AND g.state IN ('submitting', 'unknown')) AS settles
FROM jobs j WHERE j.subject_id = %(subject_id)s AND j.state IN ('ready', 'leased', 'parked')
ORDER BY j.id FOR UPDATE OF j;

-- name: paid_in_flight
-- What the provider may be running for the subject.
SELECT 'training' AS kind, provider_id FROM trainings
WHERE subject_id = %(subject_id)s AND state IN ('submitting', 'unknown', 'training')
UNION ALL
SELECT 'generation', provider_id FROM generations
WHERE subject_id = %(subject_id)s AND state IN ('submitting', 'unknown', 'drawing');

-- name: subjects_to_erase
-- Subjects of an owner that no erasure has begun with, a batch.
SELECT id FROM subjects WHERE owner_id = %(owner_id)s AND erasing_at IS NULL ORDER BY id LIMIT %(limit)s;

-- name: subjects_left
-- How many subjects an owner still has, those that are going included.
SELECT count(*) AS n FROM subjects WHERE owner_id = %(owner_id)s;

-- name: show_subject
-- Every row that hangs on the subject, as JSON, with the name of its table.
SELECT relation, content FROM show_dependents('subjects', ARRAY[%(id)s::uuid]);

-- name: show_owner
-- The same of an owner.
SELECT relation, content FROM show_dependents('owners', ARRAY[%(id)s::uuid]);

-- name: delete_subject
-- Every row that hangs on the subject, and its events; how many of each table.
SELECT relation, rows FROM delete_dependents('subjects', ARRAY[%(id)s::uuid]) WHERE rows > 0;

-- name: delete_owner
-- The same of an owner.
SELECT relation, rows FROM delete_dependents('owners', ARRAY[%(id)s::uuid]) WHERE rows > 0;

-- name: shared_models
-- Which of these models other subjects have versions or trainings in.
SELECT DISTINCT destination AS model FROM trainings
WHERE destination = ANY(%(models)s::text[]) AND subject_id <> %(subject_id)s;

-- name: tables
-- Every table that can hold a word of somebody's, and its size in blocks: not the statements', and not what
-- an operator or the provider wrote.
SELECT c.oid::regclass::text AS relation,
       pg_relation_size(c.oid) / current_setting('block_size')::bigint AS blocks
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('erasures', 'profiles', 'trainer_schemas')
ORDER BY c.relname;

-- name: text_of_blocks
-- What some blocks of a table say, block by block, in lower case. The table's name stands for the comment.
SELECT split_part(trim('(' FROM t.ctid::text), ',', 1)::bigint AS block, string_agg(lower(t::text), E'\n') AS content
FROM /*table*/ t
WHERE t.ctid >= format('(%%s,0)', %(first)s::bigint)::tid AND t.ctid < format('(%%s,0)', %(last)s::bigint)::tid
GROUP BY 1 ORDER BY 1;

-- name: rows_naming
-- How many rows between two blocks of a table name something: those of nobody or of the erased (removed, where
-- asked), and those that are another's and only resemble it.
SELECT own, others FROM rows_naming(%(relation)s::regclass, %(first)s, %(last)s, %(texts)s::text[],
                                          %(words)s::text[], %(owner_id)s, %(subject_id)s, %(remove)s);

-- name: forget_actor
-- Events by someone who is gone.
DELETE FROM events WHERE actor = %(actor)s;

-- name: make_statement_key
-- The key that signs statements, made on first use.
INSERT INTO statement_keys (id, seed) VALUES (1, %(seed)s) ON CONFLICT DO NOTHING;

-- name: statement_key
-- The key that signs statements.
SELECT seed FROM statement_keys WHERE id = 1;

-- name: owner_is_going
-- Whether the owner is being erased.
SELECT erasing_at IS NOT NULL AS going FROM owners WHERE id = %(owner_id)s;

-- name: give_up_unknown
-- Paid requests whose reply was lost and that nothing looks for any more: given up.
WITH target AS (
    SELECT id FROM trainings t WHERE subject_id = %(subject_id)s AND state = 'unknown'
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.target_id = t.id AND j.state IN ('ready', 'leased')) FOR UPDATE
), training AS (
    UPDATE trainings SET state = 'canceled', finished_at = now() FROM target WHERE trainings.id = target.id RETURNING trainings.id
), lost AS (
    SELECT id FROM generations g WHERE subject_id = %(subject_id)s AND state = 'unknown'
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.target_id = g.id AND j.state IN ('ready', 'leased')) FOR UPDATE
), generation AS (
    UPDATE generations SET state = 'canceled', finished_at = now() FROM lost WHERE generations.id = lost.id RETURNING generations.id
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor)
    SELECT 'training'::noun, id, 'unknown', 'canceled', %(actor)s FROM training
    UNION ALL SELECT 'generation', id, 'unknown', 'canceled', %(actor)s FROM generation
)
SELECT id FROM training UNION ALL SELECT id FROM generation;

-- name: clock
-- The database's time, as text.
SELECT to_char(now() AT TIME ZONE 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS now;

-- name: holds_in_force
-- Holds on the subject (with none: on anything of the owner's), on its owner, or on anything that is its own.
SELECT h.noun, h.noun_id, h.reason, h.placed_by FROM holds h
WHERE h.owner_id = %(owner_id)s AND h.released_at IS NULL
  AND (%(subject_id)s::uuid IS NULL OR h.noun_id IN (%(subject_id)s, %(owner_id)s)
       OR h.noun_id IN (SELECT id FROM photos WHERE subject_id = %(subject_id)s)
       OR h.noun_id IN (SELECT id FROM datasets WHERE subject_id = %(subject_id)s)
       OR h.noun_id IN (SELECT id FROM trainings WHERE subject_id = %(subject_id)s)
       OR h.noun_id IN (SELECT id FROM versions WHERE subject_id = %(subject_id)s)
       OR h.noun_id IN (SELECT g.id FROM generations g WHERE g.subject_id = %(subject_id)s)
       OR h.noun_id IN (SELECT i.id FROM images i JOIN generations g ON g.id = i.generation_id
                        WHERE g.subject_id = %(subject_id)s))
ORDER BY h.placed_at LIMIT 10;

-- name: forget_cursors
-- Where a walk that has ended stood last: a key, of whomever.
UPDATE walks SET cursor = NULL WHERE finished_at IS NOT NULL AND cursor IS NOT NULL;
