DROP TABLE IF EXISTS `stored_totals`;
