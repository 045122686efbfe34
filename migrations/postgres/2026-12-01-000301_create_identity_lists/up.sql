-- The operator's lists of identities: "block" is not served; where "allow" has any, nobody else is. A row that is listed no more
-- stays: servers learn of each change by its revision, which only grows.
CREATE TABLE IF NOT EXISTS "identity_lists" (
    "revision" BIGINT NOT NULL PRIMARY KEY,
    "changed_at" TIMESTAMPTZ NOT NULL,
    "list" VARCHAR(8) COLLATE "C" NOT NULL,
    "identity_key" VARCHAR(66) COLLATE "C" NOT NULL,
    "listed" BOOLEAN NOT NULL,
    UNIQUE ("list", "identity_key")
);
