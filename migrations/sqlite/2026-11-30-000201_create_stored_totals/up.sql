-- What each identity has stored: as a recipient ("inbox") and as a sender. A sum of changes; the server recounts it.
CREATE TABLE IF NOT EXISTS "stored_totals" (
    "identity_key" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "messages" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,
    PRIMARY KEY ("identity_key", "role")
) WITHOUT ROWID;
