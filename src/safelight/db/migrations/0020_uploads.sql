-- What was said of an upload, and the store's own mark (ETag) of the bytes that were confirmed: another object
-- under the key is found by them.
ALTER TABLE photos
    ADD COLUMN said_bytes bigint CHECK (said_bytes > 0),
    ADD COLUMN said_sha256 text CHECK (said_sha256 ~ '^[0-9a-f]{64}$'),
    ADD COLUMN etag text CHECK (length(etag) <= 200);

-- A link is a secret and ends within the hour: it is signed anew for who asks again, and kept nowhere.
UPDATE idempotency_keys SET response = response || jsonb_build_object('body', jsonb_build_object(
    'photo_id', (response ->> 'body')::jsonb -> 'photo' -> 'id',
    'content_type', (response ->> 'body')::jsonb -> 'headers' -> 'Content-Type')::text)
WHERE response ->> 'body' LIKE '%"confirm":%"url":%' OR response ->> 'body' LIKE '%"url":%"confirm":%';
