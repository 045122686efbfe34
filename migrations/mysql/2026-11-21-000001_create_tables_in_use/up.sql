-- The tables as the MessageBox servers in use leave them. Where such a server's database is taken over they are there
-- already, with its messages; the migrations that follow add what is missing, and that server can still run on them.

CREATE TABLE IF NOT EXISTS `messageBox` (
    `messageBoxId` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    `updated_at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    `type` VARCHAR(255) NOT NULL,
    `identityKey` VARCHAR(255) NOT NULL,
    UNIQUE INDEX `messagebox_type_identitykey_unique` (`type`, `identityKey`)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS `messages` (
    `messageId` VARCHAR(255) NOT NULL,
    `created_at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    `updated_at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    `messageBoxId` INT UNSIGNED NULL,
    `sender` VARCHAR(255) NOT NULL,
    `recipient` VARCHAR(255) NOT NULL,
    `body` LONGTEXT NOT NULL,
    UNIQUE INDEX `messages_messageid_unique` (`messageId`),
    INDEX `messages_messageboxid_foreign` (`messageBoxId`),
    CONSTRAINT `messages_messageboxid_foreign` FOREIGN KEY (`messageBoxId`)
        REFERENCES `messageBox` (`messageBoxId`) ON DELETE CASCADE
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS `message_permissions` (
    `id` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `updated_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `recipient` VARCHAR(255) NOT NULL,
    `sender` VARCHAR(255) NULL,
    `message_box` VARCHAR(255) NOT NULL,
    `recipient_fee` INT NOT NULL,
    UNIQUE INDEX `message_permissions_recipient_sender_message_box_unique` (`recipient`, `sender`, `message_box`),
    INDEX `message_permissions_recipient_index` (`recipient`),
    INDEX `message_permissions_recipient_message_box_index` (`recipient`, `message_box`),
    INDEX `message_permissions_message_box_index` (`message_box`),
    INDEX `message_permissions_sender_index` (`sender`)
) DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS `server_fees` (
    `id` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `updated_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `message_box` VARCHAR(255) NOT NULL,
    `delivery_fee` INT NOT NULL,
    UNIQUE INDEX `server_fees_message_box_unique` (`message_box`)
) DEFAULT CHARACTER SET utf8mb4;

-- An operator who has taken fees away does not get them back.
INSERT INTO `server_fees` (`message_box`, `delivery_fee`)
SELECT `box`, `fee`
FROM (
    SELECT 'notifications' AS `box`, 10 AS `fee`
    UNION ALL SELECT 'inbox', 0
    UNION ALL SELECT 'payment_inbox', 0
) AS `seeds`
WHERE NOT EXISTS (SELECT 1 FROM `server_fees`);

CREATE TABLE IF NOT EXISTS `device_registrations` (
    `id` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `updated_at` TIMESTAMP NULL DEFAULT CURRENT_TIMESTAMP,
    `identity_key` VARCHAR(255) NOT NULL,
    `fcm_token` VARCHAR(500) NOT NULL,
    `device_id` VARCHAR(255) NULL,
    `platform` VARCHAR(50) NULL,
    `last_used` TIMESTAMP NULL,
    `active` BOOLEAN NULL DEFAULT TRUE,
    UNIQUE INDEX `device_registrations_fcm_token_unique` (`fcm_token`),
    INDEX `device_registrations_identity_key_index` (`identity_key`),
    INDEX `device_registrations_identity_key_active_index` (`identity_key`, `active`),
    INDEX `device_registrations_last_used_index` (`last_used`)
) DEFAULT CHARACTER SET utf8mb4;
