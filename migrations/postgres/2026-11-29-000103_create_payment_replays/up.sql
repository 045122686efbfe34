-- Transactions that have paid a TypeScript server whose data was imported. None of them pays again.
CREATE TABLE IF NOT EXISTS "payment_replays" (
    "transaction_id" VARCHAR(64) COLLATE "C" NOT NULL PRIMARY KEY,
    "created_at" TIMESTAMPTZ NOT NULL
);
