DROP TABLE IF EXISTS `auth_message_nonces`;
