-- When a message is no longer worth delivering; NULL: never.
ALTER TABLE "messages" ADD COLUMN "expires_at" TEXT;

CREATE INDEX "messages_by_expiry" ON "messages" ("expires_at") WHERE "expires_at" IS NOT NULL;

CREATE INDEX "message_permissions_by_recipient"
    ON "message_permissions" ("recipient", "message_box", "sender");

-- Every transaction output that was taken as a payment. An output is taken once, whoever it pays.
CREATE TABLE "payments" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "txid" TEXT NOT NULL,
    "output_index" BIGINT NOT NULL,
    "satoshis" BIGINT NOT NULL,
    "payer" TEXT NOT NULL,
    "payee" TEXT NOT NULL,
    -- What the payee's key is derived from (BRC-29), with the key of whom it is shared with.
    "sender_identity_key" TEXT NOT NULL,
    "derivation_prefix" TEXT NOT NULL,
    "derivation_suffix" TEXT NOT NULL,
    -- What was paid for. Until that is done (settled), the same purpose may name the same output again.
    "purpose" TEXT NOT NULL,
    -- claimed, kept, or internalized.
    "state" TEXT NOT NULL,
    "settled" INTEGER NOT NULL,
    -- The AtomicBEEF in base64, where the server is the payee.
    "transaction" TEXT,
    UNIQUE ("txid", "output_index")
);

CREATE INDEX "payments_by_payee" ON "payments" ("payee", "id");
CREATE INDEX "payments_by_purpose" ON "payments" ("purpose");
