DROP TABLE `payments`;
