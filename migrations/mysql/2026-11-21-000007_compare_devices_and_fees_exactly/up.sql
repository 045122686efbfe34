UPDATE `server_fees`
SET `created_at` = COALESCE(`created_at`, CURRENT_TIMESTAMP), `updated_at` = COALESCE(`updated_at`, CURRENT_TIMESTAMP);

ALTER TABLE `server_fees`
    MODIFY `message_box` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `delivery_fee` BIGINT NOT NULL,
    MODIFY `created_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    MODIFY `updated_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3);

UPDATE `device_registrations`
SET `identity_key` = LOWER(`identity_key`),
    `created_at` = COALESCE(`created_at`, CURRENT_TIMESTAMP),
    `updated_at` = COALESCE(`updated_at`, CURRENT_TIMESTAMP),
    `active` = COALESCE(`active`, TRUE);

ALTER TABLE `device_registrations`
    MODIFY `identity_key` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `fcm_token` VARCHAR(500) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `device_id` VARCHAR(255) CHARACTER SET utf8mb4 NULL,
    MODIFY `last_used` TIMESTAMP(3) NULL DEFAULT NULL,
    MODIFY `active` BOOLEAN NOT NULL DEFAULT TRUE,
    MODIFY `created_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    MODIFY `updated_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3);
