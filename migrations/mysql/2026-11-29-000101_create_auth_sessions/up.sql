-- Sessions of HTTP clients, found by every process with the server's key. Times are milliseconds since 1970. Newer servers of
-- the same kind have this table already; their sessions have other nonces, and expire.
CREATE TABLE IF NOT EXISTS `auth_sessions` (
    -- The server's nonce, which names the session.
    `sessionNonce` VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    `peerNonce` VARCHAR(1024) NOT NULL,
    `peerIdentityKey` VARCHAR(255) NOT NULL,
    -- Whether a request has verified. Until then the session has five minutes.
    `isAuthenticated` BOOLEAN NOT NULL DEFAULT FALSE,
    `lastUpdate` BIGINT NOT NULL,
    `certificatesRequired` BOOLEAN NULL,
    `certificatesValidated` BOOLEAN NULL,
    `expiresAt` BIGINT NOT NULL,
    INDEX `auth_sessions_peeridentitykey_index` (`peerIdentityKey`),
    INDEX `auth_sessions_expiresat_index` (`expiresAt`)
) DEFAULT CHARACTER SET utf8mb4;
