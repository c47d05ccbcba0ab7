-- Whose a model at the provider is is asked for by its name, in any case, and by its version's id.
-- "C": a prefix is a range of it, whatever the database's own collation.
CREATE INDEX trainings_destination ON trainings ((lower(destination) COLLATE "C")) WHERE destination IS NOT NULL;
CREATE INDEX versions_of_provider ON versions (provider_version) WHERE origin = 'trained';
