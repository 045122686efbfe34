-- Every transaction output that was taken as a payment. An output is taken once, whoever it pays.
CREATE TABLE IF NOT EXISTS `payments` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` DATETIME(3) NOT NULL,
    `updated_at` DATETIME(3) NOT NULL,
    `txid` VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `output_index` BIGINT NOT NULL,
    `satoshis` BIGINT NOT NULL,
    `payer` VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `payee` VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- What the payee's key is derived from (BRC-29), with the key of whom it is shared with.
    `sender_identity_key` VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `derivation_prefix` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `derivation_suffix` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- What was paid for. Until that is done (settled), the same purpose may name the same output again.
    `purpose` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    -- claimed, kept, or internalized.
    `state` VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `settled` BOOLEAN NOT NULL,
    -- The AtomicBEEF in base64, where the server is the payee.
    `transaction` LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NULL,
    UNIQUE INDEX `payments_by_output` (`txid`, `output_index`),
    INDEX `payments_by_payee` (`payee`, `id`)
);
-- Fails where another program has a table of this name.
DO (SELECT COUNT(*) FROM (SELECT `txid`, `payee`, `purpose`, `state`, `settled` FROM `payments` LIMIT 1) AS `own`);
