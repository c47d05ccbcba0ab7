-- Fair turns: a job's place in its queue. An owner's next job stands one quantum behind the owner's last
-- one that is due, so a thousand jobs of one owner do not stand before another's single one.
ALTER TABLE jobs ADD COLUMN turn timestamptz NOT NULL DEFAULT now();
UPDATE jobs SET turn = due_at WHERE state = 'ready';
CREATE INDEX jobs_turn ON jobs (queue, turn) WHERE state = 'ready';
CREATE INDEX jobs_turn_of_owner ON jobs (queue, owner_id, turn) WHERE state = 'ready';
DROP INDEX jobs_due;
COMMENT ON COLUMN jobs.hinted_at IS
    'unused: the sweep counts what the broker holds. Stays for as long as workers of 0001 may run beside ours';
