-- Current clients make ids of up to 256 bytes.
ALTER TABLE "messages" ALTER COLUMN "messageId" TYPE VARCHAR(256) COLLATE "C";
