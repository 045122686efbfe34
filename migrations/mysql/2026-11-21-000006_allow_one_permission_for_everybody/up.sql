UPDATE `message_permissions`
SET `created_at` = COALESCE(`created_at`, CURRENT_TIMESTAMP), `updated_at` = COALESCE(`updated_at`, CURRENT_TIMESTAMP);

UPDATE IGNORE `message_permissions` SET `recipient` = LOWER(`recipient`), `sender` = LOWER(`sender`);

SET @is_unique = (
    SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'message_permissions' AND column_name = 'sender_or_all'
);
SET @compare_exactly = IF(@is_unique, 'DO 0', 'ALTER TABLE `message_permissions`
    MODIFY `recipient` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `sender` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NULL,
    MODIFY `message_box` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `recipient_fee` BIGINT NOT NULL,
    MODIFY `created_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    MODIFY `updated_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)');
PREPARE `compare_exactly` FROM @compare_exactly;
EXECUTE `compare_exactly`;
DEALLOCATE PREPARE `compare_exactly`;

-- A NULL sender means every sender, and one row says so for a box: the one that was said last.
DELETE `older`
FROM `message_permissions` AS `older`
JOIN `message_permissions` AS `newer`
    ON `newer`.`recipient` = `older`.`recipient`
    AND `newer`.`message_box` = `older`.`message_box`
    AND `newer`.`sender` IS NULL
    AND `newer`.`id` > `older`.`id`
WHERE `older`.`sender` IS NULL;

-- A unique index knows no NULL.
SET @make_unique = IF(@is_unique, 'DO 0', 'ALTER TABLE `message_permissions`
    ADD COLUMN `sender_or_all` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
        GENERATED ALWAYS AS (COALESCE(`sender`, '''')) STORED,
    ADD UNIQUE INDEX `message_permissions_of_sender` (`recipient`, `message_box`, `sender_or_all`)');
PREPARE `make_unique` FROM @make_unique;
EXECUTE `make_unique`;
DEALLOCATE PREPARE `make_unique`;
