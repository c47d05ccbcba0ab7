-- Photos are kept without where they were taken, unless their owner wants it.
ALTER TABLE owners ADD COLUMN keep_location boolean NOT NULL DEFAULT false;

-- What was taken out of a photo, by where it was: {"exif": 6, "xmp": 2}; null: nothing was. And, of one that was
-- stored and measured before its location was taken out, the hash that datasets of that time were built by.
ALTER TABLE photos
    ADD COLUMN location_removed jsonb,
    ADD COLUMN sha256_before text CHECK (sha256_before ~ '^[0-9a-f]{64}$');
