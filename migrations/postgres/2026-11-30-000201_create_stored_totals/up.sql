-- What each identity has stored: as a recipient ("inbox") and as a sender. A sum of changes; the server recounts it. Rows change
-- often, so pages keep room for their next versions.
CREATE TABLE IF NOT EXISTS "stored_totals" (
    "identity_key" VARCHAR(255) COLLATE "C" NOT NULL,
    "role" VARCHAR(8) COLLATE "C" NOT NULL,
    "messages" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,
    PRIMARY KEY ("identity_key", "role")
) WITH (fillfactor = 70);
