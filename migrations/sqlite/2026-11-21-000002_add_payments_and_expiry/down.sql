DROP TABLE "payments";
DROP INDEX "message_permissions_by_recipient";
DROP INDEX "messages_by_expiry";
ALTER TABLE "messages" DROP COLUMN "expires_at";
