DROP TABLE IF EXISTS `identity_lists`;
