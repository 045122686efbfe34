-- Every output that an accepted payment spends, itself or by an ancestor that is not mined yet. Who spends it again in
-- another transaction pays with the same coin twice.
CREATE TABLE IF NOT EXISTS `payment_inputs` (
    `id` BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `created_at` DATETIME(3) NOT NULL,
    `txid` VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `output_index` BIGINT NOT NULL,
    -- The transaction that spends it.
    `spent_by` VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    -- As in `payments`.
    `purpose` LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `settled` BOOLEAN NOT NULL,
    UNIQUE INDEX `payment_inputs_by_output` (`txid`, `output_index`)
);
-- Fails where another program has a table of this name.
DO (SELECT COUNT(*) FROM (SELECT `txid`, `spent_by`, `purpose`, `settled` FROM `payment_inputs` LIMIT 1) AS `own`);
