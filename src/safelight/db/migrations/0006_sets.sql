-- A set that is worse than the one the last good version was made of is asked about (K21).

-- What a person said to it: `smaller`, the set is meant as it is; `union`, the old photos are added.
ALTER TABLE trainings ADD COLUMN retrain text CHECK (retrain IN ('smaller', 'union'));
