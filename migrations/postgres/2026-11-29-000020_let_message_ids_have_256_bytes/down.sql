-- A longer id would be cut, and could be the same as another then.
DELETE FROM "messages" WHERE char_length("messageId") > 255;
ALTER TABLE "messages" ALTER COLUMN "messageId" TYPE VARCHAR(255) COLLATE "C";
