-- A passing fault (a server that is away) costs no attempt: how long it lasts bounds it instead.
-- NULL: the job's last turn met none. Workers that do not know the column leave it as it is.
ALTER TABLE jobs ADD COLUMN faulty_since timestamptz;
