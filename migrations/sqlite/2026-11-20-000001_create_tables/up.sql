-- The tables of the MessageBox servers in use, with two differences: a message is unique for its recipient,
-- not for everybody, and its own id gives the order of insertion.

CREATE TABLE "messageBox" (
    "messageBoxId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "identityKey" TEXT NOT NULL,
    UNIQUE ("identityKey", "type")
);

CREATE TABLE "messages" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "messageId" TEXT NOT NULL,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "messageBoxId" INTEGER NOT NULL REFERENCES "messageBox" ("messageBoxId") ON DELETE CASCADE,
    "sender" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    UNIQUE ("recipient", "messageId")
);

CREATE INDEX "messages_by_box" ON "messages" ("messageBoxId", "id");

CREATE TABLE "message_permissions" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "recipient" TEXT NOT NULL,
    "sender" TEXT,
    "message_box" TEXT NOT NULL,
    "recipient_fee" INTEGER NOT NULL
);

-- A NULL sender means every sender, and one row says so for a box.
CREATE UNIQUE INDEX "message_permissions_of_sender"
    ON "message_permissions" ("recipient", "message_box", "sender") WHERE "sender" IS NOT NULL;
CREATE UNIQUE INDEX "message_permissions_of_box"
    ON "message_permissions" ("recipient", "message_box") WHERE "sender" IS NULL;

CREATE TABLE "server_fees" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "message_box" TEXT NOT NULL UNIQUE,
    "delivery_fee" INTEGER NOT NULL
);

INSERT INTO "server_fees" ("created_at", "updated_at", "message_box", "delivery_fee")
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), "box", "fee"
FROM (
    SELECT 'notifications' AS "box", 10 AS "fee"
    UNION ALL SELECT 'inbox', 0
    UNION ALL SELECT 'payment_inbox', 0
);

CREATE TABLE "device_registrations" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "created_at" TEXT NOT NULL,
    "updated_at" TEXT NOT NULL,
    "identity_key" TEXT NOT NULL,
    "fcm_token" TEXT NOT NULL UNIQUE,
    "device_id" TEXT,
    "platform" TEXT,
    "last_used" TEXT,
    "active" INTEGER NOT NULL DEFAULT 1
);

CREATE INDEX "device_registrations_by_identity" ON "device_registrations" ("identity_key", "active");
