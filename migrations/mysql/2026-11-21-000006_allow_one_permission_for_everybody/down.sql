ALTER TABLE `message_permissions`
    DROP INDEX `message_permissions_of_sender`,
    DROP COLUMN `sender_or_all`;
