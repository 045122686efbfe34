-- What is there is numbered in the order of its times: the table itself may be in that of its ids.
SET @number = (SELECT COALESCE(MAX(`id`), 0) FROM `messages`);
UPDATE `messages`
SET `id` = (@number := @number + 1), `sender` = LOWER(`sender`), `recipient` = LOWER(`recipient`)
WHERE `id` IS NULL
ORDER BY `created_at`, `messageId`;

SET @is_numbered = (
    SELECT COUNT(*) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'messages' AND index_name = 'messages_of_recipient'
);
SET @number_messages = IF(@is_numbered, 'DO 0', 'ALTER TABLE `messages`
    MODIFY `id` BIGINT NOT NULL AUTO_INCREMENT,
    ADD PRIMARY KEY (`id`),
    MODIFY `messageId` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `sender` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `recipient` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `body` LONGTEXT CHARACTER SET utf8mb4 NOT NULL,
    MODIFY `created_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    MODIFY `updated_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    ADD UNIQUE INDEX `messages_of_recipient` (`recipient`, `messageId`),
    ADD INDEX `messages_by_box` (`messageBoxId`, `id`),
    ADD INDEX `messages_by_expiry` (`expires_at`)');
PREPARE `number_messages` FROM @number_messages;
EXECUTE `number_messages`;
DEALLOCATE PREPARE `number_messages`;
