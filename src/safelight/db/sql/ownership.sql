-- name: standing
-- Whose a model at the provider is, and one of its versions, as far as our rows tell: every owner shares the
-- account there. A version vouches for its own model alone. Names are compared as the provider does, whatever their case.
SELECT
    EXISTS (SELECT FROM trainings WHERE lower(destination) COLLATE "C" = %(model)s AND owner_id = %(owner_id)s) AS own_model,
    EXISTS (SELECT FROM trainings WHERE lower(destination) COLLATE "C" = %(model)s AND owner_id <> %(owner_id)s) AS others_model,
    EXISTS (SELECT FROM versions WHERE provider_version = %(version)s AND origin = 'trained'
            AND owner_id = %(owner_id)s AND lower(provider_model) COLLATE "C" = %(model)s) AS own_version,
    EXISTS (SELECT FROM versions WHERE provider_version = %(version)s AND origin = 'trained'
            AND owner_id <> %(owner_id)s) AS others_version,
    EXISTS (SELECT FROM trainings WHERE lower(destination) COLLATE "C" >= %(account)s || '/'
            AND lower(destination) COLLATE "C" < %(account)s || '0') AS our_account;
