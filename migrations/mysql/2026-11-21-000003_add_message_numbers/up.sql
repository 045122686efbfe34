-- `id` gives the order of storing. `expires_at` says when a message is no longer worth delivering; NULL: never. Newer servers
-- of the same kind have such a column already, without milliseconds: it keeps what is in it.
SET @has_expiry = (
    SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'messages' AND column_name = 'expires_at'
);
-- Here and below: a table that is altered stays so, even where the server ends before it has noted that; then the same is
-- run again.
SET @has_id = (
    SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'messages' AND column_name = 'id'
);
SET @add_columns = CONCAT(
    'ALTER TABLE `messages` ', IF(@has_id, '', 'ADD COLUMN `id` BIGINT NULL, '),
    IF(@has_expiry, 'MODIFY', 'ADD COLUMN'), ' `expires_at` DATETIME(3) NULL'
);
PREPARE `add_columns` FROM @add_columns;
EXECUTE `add_columns`;
DEALLOCATE PREPARE `add_columns`;
