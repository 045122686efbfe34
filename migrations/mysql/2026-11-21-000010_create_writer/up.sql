-- Whoever writes holds the one row of this table, so that ids have the order of commits.
CREATE TABLE IF NOT EXISTS `messagebox_writer` (
    `id` TINYINT NOT NULL PRIMARY KEY
);
INSERT IGNORE INTO `messagebox_writer` (`id`) VALUES (1);
