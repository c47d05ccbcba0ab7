-- name: next_number
-- The number the subject's next dataset gets. Call it with the subject locked.
SELECT coalesce(max(number), 0) + 1 AS number FROM datasets WHERE subject_id = %(subject_id)s;

-- name: insert_dataset
-- A dataset as it was built: immutable from here on.
WITH made AS (
    INSERT INTO datasets (id, subject_id, number, profile, key, bytes, sha256, manifest_key, manifest, report, photos)
    VALUES (%(id)s, %(subject_id)s, %(number)s, %(profile)s, %(key)s, %(bytes)s, %(sha256)s,
            %(manifest_key)s, %(manifest)s, %(report)s, %(photos)s)
    RETURNING *
), event AS (
    INSERT INTO events (noun, noun_id, before, after, actor, detail)
    SELECT 'dataset', id, NULL, 'built', %(actor)s, jsonb_build_object('photos', photos, 'sha256', sha256) FROM made
)
SELECT * FROM made;

-- name: insert_dataset_photo
-- A photo of a dataset, as it went into the zip.
INSERT INTO dataset_photos (dataset_id, photo_id, file, sha256, caption)
VALUES (%(dataset_id)s, %(photo_id)s, %(file)s, %(sha256)s, %(caption)s);

-- name: get_dataset
-- One dataset of an owner.
SELECT d.* FROM datasets d JOIN subjects s ON s.id = d.subject_id
WHERE d.id = %(id)s AND s.owner_id = %(owner_id)s;

-- name: list_datasets
-- The datasets of a subject, newest first.
SELECT d.* FROM datasets d JOIN subjects s ON s.id = d.subject_id
WHERE d.subject_id = %(subject_id)s AND s.owner_id = %(owner_id)s AND s.erasing_at IS NULL
ORDER BY d.number DESC;

-- name: last_good
-- The dataset of the subject's last good version: the active one, else the newest that was not rejected.
SELECT v.number AS version, d.number AS dataset, d.id AS dataset_id, t.steps, d.manifest, d.report
FROM versions v JOIN trainings t ON t.id = v.training_id JOIN datasets d ON d.id = t.dataset_id
WHERE v.subject_id = %(subject_id)s AND v.rejected_at IS NULL
ORDER BY v.state = 'active' DESC, v.number DESC LIMIT 1;

-- name: photos_of_dataset
-- The photos a dataset was built of, removed ones among them.
SELECT p.* FROM dataset_photos dp JOIN photos p ON p.id = dp.photo_id
WHERE dp.dataset_id = %(dataset_id)s ORDER BY p.id;
