DROP TABLE `messagebox_writer`;
