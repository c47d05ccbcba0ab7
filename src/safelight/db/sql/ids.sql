-- name: ids_ending
-- Ids of these nouns that end so, of an owner's (of everybody's, without one): two at most, since a second
-- one says that the end names none. The owner's rows are read by index until then.
SELECT noun, id FROM (
    SELECT 'subject' AS noun, s.id, s.owner_id, s.id AS subject_id FROM subjects s
    UNION ALL SELECT 'training', t.id, t.owner_id, t.subject_id FROM trainings t
    UNION ALL SELECT 'version', v.id, v.owner_id, v.subject_id FROM versions v WHERE v.removed_at IS NULL
    UNION ALL SELECT 'generation', g.id, g.owner_id, g.subject_id FROM generations g
    UNION ALL SELECT 'job', j.id, j.owner_id, j.subject_id FROM jobs j
    UNION ALL SELECT 'campaign', c.id, c.owner_id, NULL FROM campaigns c
    UNION ALL SELECT 'erasure', e.id, e.owner_id, NULL FROM erasures e
    UNION ALL SELECT 'key', k.id, k.owner_id, NULL FROM api_keys k
    UNION ALL SELECT 'hold', unnest(ARRAY[h.id, h.noun_id]), h.owner_id, NULL FROM holds h WHERE h.released_at IS NULL
    UNION ALL SELECT 'removed photo', p.id, s.owner_id, s.id FROM photos p JOIN subjects s ON s.id = p.subject_id
        WHERE p.state = 'removed' AND p.purged_at IS NULL AND p.bytes IS NOT NULL
    UNION ALL SELECT 'removed image', i.id, g.owner_id, g.subject_id FROM images i JOIN generations g ON g.id = i.generation_id
        WHERE i.removed_at IS NOT NULL AND i.purged_at IS NULL
    UNION ALL SELECT 'removed version', v.id, v.owner_id, v.subject_id FROM versions v
        WHERE v.removed_at IS NOT NULL AND v.state <> 'deleted'
) things
WHERE noun = ANY(%(nouns)s) AND (%(owner_id)s::uuid IS NULL OR owner_id = %(owner_id)s)
  AND right(id::text, length(%(end)s)) = %(end)s
  AND NOT EXISTS (SELECT FROM subjects s WHERE s.id = things.subject_id AND s.erasing_at IS NOT NULL)
LIMIT 2;
