-- +goose Up
CREATE TABLE images (
    id             idtext NOT NULL PRIMARY KEY,
    application_id idtext NOT NULL,
    type           TEXT   NOT NULL,
    width          BIGINT NOT NULL,
    height         BIGINT NOT NULL,
    size           BIGINT NOT NULL,
    sum            BYTEA  NOT NULL,
    created_at     BIGINT NOT NULL,
    -- Last, so that lists do not read it.
    body           BYTEA  NOT NULL,
    UNIQUE (application_id, sum)
);
CREATE INDEX images_by_application ON images (application_id, id);

-- +goose Down
DROP TABLE images;
