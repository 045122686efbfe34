-- Transactions that have paid a TypeScript server whose data was imported. None of them pays again.
CREATE TABLE IF NOT EXISTS "payment_replays" (
    "transaction_id" TEXT NOT NULL PRIMARY KEY,
    "created_at" TEXT NOT NULL
) WITHOUT ROWID;
