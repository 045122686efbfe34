-- Current clients make ids of up to 256 bytes. A server that writes 255 characters goes on to do so.
ALTER TABLE `messages`
    MODIFY `messageId` VARCHAR(256) CHARACTER SET utf8mb4 COLLATE /*M! utf8mb4_nopad_bin */ /*!80017 utf8mb4_0900_bin */ NOT NULL;
