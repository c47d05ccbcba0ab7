-- name: keep_profile
-- A profile's text, with the first training that uses it; what was kept before stays.
INSERT INTO profiles (id, sha256, text) VALUES (%(id)s, %(sha256)s, %(text)s)
ON CONFLICT (id) DO NOTHING;

-- name: kept_profile
-- A profile's text as it was first used.
SELECT id, sha256, text, kept_at FROM profiles WHERE id = %(id)s;

-- name: keep_schema
-- What a trainer's version takes; it never changes, so it is read once.
INSERT INTO trainer_schemas (trainer, version, inputs) VALUES (%(trainer)s, %(version)s, %(inputs)s)
ON CONFLICT (trainer, version) DO NOTHING;

-- name: schemas
-- What the trainer's versions take, the newest read first.
SELECT version, inputs FROM trainer_schemas WHERE trainer = %(trainer)s ORDER BY read_at DESC LIMIT 20;
