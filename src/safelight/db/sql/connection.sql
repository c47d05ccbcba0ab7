-- name: who_answers
-- The process that answers, and one of the settings that the connection was made with.
SELECT pg_backend_pid() AS pid, current_setting('statement_timeout') AS statement_timeout;

-- name: server
-- What the doctor asks: the server's version and clock, the role, and whether it may write and make tables.
SELECT
    current_setting('server_version_num')::int AS version,
    clock_timestamp() AS now,
    current_user AS role,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only,
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_make_temporary,
    current_setting('server_encoding') AS encoding,
    current_setting('max_connections')::int AS max_connections;

-- name: forbidden
-- Our tables (an extension's are not) that the role may not read, write or (where it has to migrate) change.
SELECT
    c.relname AS name,
    NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
    ) AS closed,
    pg_has_role(c.relowner, 'USAGE') = false AS not_owned
FROM pg_class c
WHERE c.relnamespace = to_regnamespace(current_schema())
  AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname;
