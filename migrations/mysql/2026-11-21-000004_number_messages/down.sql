ALTER TABLE `messages`
    MODIFY `id` BIGINT NULL,
    DROP PRIMARY KEY,
    DROP INDEX `messages_of_recipient`,
    ADD INDEX `messages_messageboxid_index` (`messageBoxId`),
    DROP INDEX `messages_by_box`,
    DROP INDEX `messages_by_expiry`;
