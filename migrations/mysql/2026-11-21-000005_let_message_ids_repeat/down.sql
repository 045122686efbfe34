-- Fails where an id was used for two recipients since.
ALTER TABLE `messages` ADD UNIQUE INDEX `messages_messageid_unique` (`messageId`);
