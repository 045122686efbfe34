-- Newer TypeScript servers have a column `sender_scope`: the sender, or '' for everybody. It is unique for a recipient's box. Rows
-- of a server that does not write it get it by its default. Where the column is missing, nothing needs it.
SET @has_scope = (
    SELECT COUNT(*) FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'message_permissions' AND column_name = 'sender_scope'
);
-- Keys are in lower case by now, here too.
SET @fill_scope = IF(@has_scope, 'UPDATE IGNORE `message_permissions` SET `sender_scope` = COALESCE(`sender`, '''')', 'DO 0');
PREPARE `fill_scope` FROM @fill_scope;
EXECUTE `fill_scope`;
DEALLOCATE PREPARE `fill_scope`;
SET @default_scope = IF(@has_scope, 'ALTER TABLE `message_permissions`
    MODIFY `sender_scope` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */
        NOT NULL DEFAULT (COALESCE(`sender`, ''''))', 'DO 0');
PREPARE `default_scope` FROM @default_scope;
EXECUTE `default_scope`;
DEALLOCATE PREPARE `default_scope`;
