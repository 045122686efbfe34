-- What each identity has stored: as a recipient ("inbox") and as a sender. A sum of changes; the server recounts it.
CREATE TABLE IF NOT EXISTS `stored_totals` (
    `identity_key` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    `role` VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `messages` BIGINT NOT NULL,
    `bytes` BIGINT NOT NULL,
    PRIMARY KEY (`identity_key`, `role`)
) DEFAULT CHARACTER SET utf8mb4;
