-- name: lock
-- One migrator at a time; the number is this table's name in ASCII, cut to 63 bits.
SELECT pg_advisory_xact_lock(7305437123045189998);

-- name: make_table
-- Where the migrations that have run are kept.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: table_exists
-- Whether any migration has ever run here.
SELECT to_regclass('schema_migrations') IS NOT NULL AS yes;

-- name: applied
-- The migrations that have run.
SELECT number, name, sha256 FROM schema_migrations ORDER BY number;

-- name: record
-- A migration has run.
INSERT INTO schema_migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s);
