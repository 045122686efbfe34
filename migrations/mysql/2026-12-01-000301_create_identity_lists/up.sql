-- The operator's lists of identities: "block" is not served; where "allow" has any, nobody else is. A row that is listed no more
-- stays: servers learn of each change by its revision, which only grows.
CREATE TABLE IF NOT EXISTS `identity_lists` (
    `revision` BIGINT NOT NULL PRIMARY KEY,
    `changed_at` DATETIME(3) NOT NULL,
    `list` VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `identity_key` VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `listed` BOOLEAN NOT NULL,
    UNIQUE INDEX `identity_lists_by_key` (`list`, `identity_key`)
);
-- Fails where another program has a table of this name.
DO (SELECT COUNT(*) FROM (SELECT `revision`, `list`, `identity_key`, `listed` FROM `identity_lists` LIMIT 1) AS `own`);
