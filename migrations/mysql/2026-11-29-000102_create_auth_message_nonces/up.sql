-- Requests that wrote something: each counts once in its session. Newer servers of the same kind have this table already.
CREATE TABLE IF NOT EXISTS `auth_message_nonces` (
    `sessionNonce` VARCHAR(130) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `messageNonce` VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `expiresAt` BIGINT NOT NULL,
    PRIMARY KEY (`sessionNonce`, `messageNonce`),
    INDEX `idx_auth_message_nonces_expires` (`expiresAt`)
) DEFAULT CHARACTER SET utf8mb4;
