-- What a key may do, until when, and when it was last used: after a leak, that is what one wants to know.
ALTER TABLE api_keys
    ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,write,erase}'
        CHECK (scopes <@ '{read,write,erase}' AND scopes <> '{}'),
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN last_used_at timestamptz;
