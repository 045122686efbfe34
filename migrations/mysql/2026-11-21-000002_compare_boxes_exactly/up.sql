-- Keys are written in lower case. So far it made no difference, which is why nothing is there in both; where a database has
-- compared exactly all along, what is there in both stays.
UPDATE IGNORE `messageBox` SET `identityKey` = LOWER(`identityKey`);

-- Keys and names of boxes are compared byte by byte, spaces at the end included. Times have milliseconds.
ALTER TABLE `messageBox`
    MODIFY `type` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `identityKey` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL,
    MODIFY `created_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    MODIFY `updated_at` TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3);
