-- Transactions that have paid for something. Newer TypeScript servers have this table and take a transaction once; a transaction
-- that one of the two servers has taken is not taken by the other.
CREATE TABLE IF NOT EXISTS `payment_replays` (
    `transaction_id` VARCHAR(64) NOT NULL PRIMARY KEY,
    `created_at` TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- NULL: for ever.
    `expires_at` TIMESTAMP NULL,
    INDEX `payment_replays_expires_at_index` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4;
-- Fails where another program has a table of this name.
DO (SELECT COUNT(*) FROM (SELECT `transaction_id`, `created_at`, `expires_at` FROM `payment_replays` LIMIT 1) AS `own`);
INSERT IGNORE INTO `payment_replays` (`transaction_id`, `created_at`)
SELECT `txid`, MIN(`created_at`) FROM `payments` WHERE `settled` GROUP BY `txid`;
