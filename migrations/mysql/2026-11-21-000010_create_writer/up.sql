-- Whoever writes holds the one row of this table, so that ids have the order of commits.
CREATE TABLE `messagebox_writer` (
    `id` TINYINT NOT NULL PRIMARY KEY
);
INSERT INTO `messagebox_writer` (`id`) VALUES (1);
