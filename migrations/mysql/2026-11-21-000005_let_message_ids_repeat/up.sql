-- A message is unique for its recipient, not for everybody: else whoever uses an id first keeps all others from it.
-- A server that ignores what is there already goes on to do so, for the same recipient.
SET @index = (
    SELECT `index_name`
    FROM (
        SELECT `index_name` AS `index_name`, GROUP_CONCAT(`column_name` ORDER BY `seq_in_index`) AS `columns`
        FROM `information_schema`.`statistics`
        WHERE `table_schema` = DATABASE() AND `table_name` = 'messages' AND `non_unique` = 0
        GROUP BY `index_name`
    ) AS `unique_indexes`
    WHERE `columns` = 'messageId'
    LIMIT 1
);
SET @statement = COALESCE(CONCAT('ALTER TABLE `messages` DROP INDEX `', @index, '`'), 'DO 0');
PREPARE `drop_index` FROM @statement;
EXECUTE `drop_index`;
DEALLOCATE PREPARE `drop_index`;
