-- Every output that an accepted payment spends, itself or by an ancestor that is not mined yet. Who spends it again in
-- another transaction pays with the same coin twice.
CREATE TABLE "payment_inputs" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "txid" TEXT NOT NULL,
    "output_index" BIGINT NOT NULL,
    -- The transaction that spends it.
    "spent_by" TEXT NOT NULL,
    -- As in "payments".
    "purpose" TEXT NOT NULL,
    "settled" INTEGER NOT NULL,
    UNIQUE ("txid", "output_index")
);

-- Payments are found by their outputs.
DROP INDEX "payments_by_purpose";
