-- name: provenance
-- From one version to everything: its photos with their hashes, the three columns of its parameters, its
-- weights' hash, who approved it, what it was shown to draw. docs/provenance.md has the same query.
SELECT
    s.name AS subject, s.kind, s.trigger_word AS subject_trigger,
    v.id AS version_id, v.number, v.state, v.origin, v.trigger_word, v.lora_scale, v.guidance,
    v.created_at, v.activated_at, v.provider_model, v.provider_version, v.known, v.marks,
    v.weights_key, v.weights_bytes, v.weights_sha256, v.rank, v.tensors,
    v.approved_at, v.approved_by, v.approved_why, v.rejected_at, v.rejected_by, v.rejected_why,
    t.id AS training_id, t.number AS training, t.profile, t.profile_sha256, t.trainer,
    t.trainer_version AS trainer_asked, t.trainer_version_observed AS trainer_observed,
    t.provider_id, t.overrides, t.asked, t.sent, t.effective, t.differences, t.inputs_source,
    t.images AS images_found, t.steps, t.step, t.loss, t.predict_seconds, t.cost_micro_usd, t.accepted_at,
    t.finished_at,
    d.id AS dataset_id, d.number AS dataset, d.key AS dataset_key, d.bytes AS dataset_bytes,
    d.sha256 AS dataset_sha256, d.manifest_key, d.manifest, d.report, d.purged_at AS dataset_purged_at,
    (SELECT jsonb_agg(jsonb_build_object(
         'photo_id', p.id, 'name', p.name, 'state', p.state, 'key', p.key, 'bytes', p.bytes,
         'sha256', p.sha256, 'sha256_before', p.sha256_before, 'file', dp.file, 'file_sha256', dp.sha256, 'caption', dp.caption,
         'purged_at', p.purged_at) ORDER BY dp.file)
     FROM dataset_photos dp JOIN photos p ON p.id = dp.photo_id WHERE dp.dataset_id = d.id) AS photos,
    (SELECT jsonb_agg(jsonb_build_object(
         'generation_id', g.id, 'purpose', g.purpose, 'state', g.state, 'input', g.input,
         'key', i.key, 'bytes', i.bytes, 'sha256', i.sha256, 'purged_at', i.purged_at) ORDER BY g.id, i.number)
     FROM generations g LEFT JOIN images i ON i.generation_id = g.id
     WHERE g.version_id = v.id AND g.purpose IN ('preview', 'control')) AS previews,
    (SELECT jsonb_agg(jsonb_build_object(
         'at', e.at, 'before', e.before, 'after', e.after, 'actor', e.actor, 'detail', e.detail) ORDER BY e.id)
     FROM events e WHERE e.noun_id = v.id) AS history
FROM versions v
JOIN subjects s ON s.id = v.subject_id
LEFT JOIN trainings t ON t.id = v.training_id
LEFT JOIN datasets d ON d.id = t.dataset_id
WHERE v.id = %(version_id)s;

-- name: versions_of
-- The versions of a subject of this owner, newest first.
SELECT v.id FROM versions v
WHERE v.subject_id = %(subject_id)s AND v.owner_id = %(owner_id)s ORDER BY v.number DESC;

-- name: drawn
-- What was lately drawn of a subject, newest first: with which version, out of which prompt, for how much.
SELECT g.id, g.purpose, g.state, g.prompt, g.asked_prompt, g.changes, g.preset, g.input, g.cost_micro_usd,
       g.created_at, v.number AS version, v.state AS version_state, v.trigger_word,
       v.approved_at IS NOT NULL AND v.rejected_at IS NULL AS approved
FROM generations g JOIN versions v ON v.id = g.version_id
WHERE g.subject_id = %(subject_id)s AND g.owner_id = %(owner_id)s AND g.purpose = %(purpose)s
ORDER BY g.id DESC LIMIT %(limit)s;

-- name: run
-- One training with its set and its weights, for comparing two runs; the version is null where none came of it.
SELECT t.id AS training_id, t.number AS training, t.state, t.profile, t.trainer, t.trainer_version,
       t.trainer_version_observed, t.overrides, t.asked, t.sent, t.effective, t.course, t.steps, t.step, t.loss,
       t.predict_seconds, t.cost_micro_usd, t.error, s.name AS subject, v.id AS version_id, v.number AS version,
       v.state AS version_state, v.rank, v.tensors, v.weights_bytes, v.weights_sha256, v.weights AS layers,
       v.lora_scale, v.guidance, v.approved_by, v.rejected_by, d.number AS dataset, d.sha256 AS dataset_sha256,
       (SELECT jsonb_agg(jsonb_build_object('name', p.name, 'sha256', p.sha256, 'file_sha256', dp.sha256,
                                            'caption', dp.caption) ORDER BY dp.file)
        FROM dataset_photos dp JOIN photos p ON p.id = dp.photo_id WHERE dp.dataset_id = d.id) AS photos
FROM trainings t JOIN subjects s ON s.id = t.subject_id
LEFT JOIN versions v ON v.training_id = t.id LEFT JOIN datasets d ON d.id = t.dataset_id
WHERE t.owner_id = %(owner_id)s AND s.erasing_at IS NULL AND (t.id = %(id)s OR v.id = %(id)s);
