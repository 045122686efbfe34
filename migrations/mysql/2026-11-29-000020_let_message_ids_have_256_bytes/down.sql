-- A longer id would be cut, and could be the same as another then.
DELETE FROM `messages` WHERE CHAR_LENGTH(`messageId`) > 255;
ALTER TABLE `messages`
    MODIFY `messageId` VARCHAR(255) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL;
