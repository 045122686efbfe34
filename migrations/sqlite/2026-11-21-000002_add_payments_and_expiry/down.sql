DROP TABLE "payments";
DROP INDEX "messages_by_expiry";
ALTER TABLE "messages" DROP COLUMN "expires_at";
