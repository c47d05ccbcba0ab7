-- name: begin
-- Begins the caller's transaction, if none is open: what follows becomes a savepoint in it.
SELECT 1;
