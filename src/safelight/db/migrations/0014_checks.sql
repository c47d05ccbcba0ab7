-- Postgres parses a table's checks anew for every statement that writes to it: the seven of jobs took a fifth of
-- its time for a job, and five of them can go. What one statement alone writes, from what is typed (a policy's
-- numbers, a parked job's error) or together with what is still checked (a lease's owner), needs none.
ALTER TABLE jobs
    DROP CONSTRAINT jobs_attempts_check,
    DROP CONSTRAINT jobs_max_attempts_check,
    DROP CONSTRAINT jobs_lease_seconds_check,
    DROP CONSTRAINT jobs_check1,  -- (state = 'leased') = (lease_owner IS NOT NULL)
    DROP CONSTRAINT jobs_check3;  -- state <> 'parked' OR error IS NOT NULL
