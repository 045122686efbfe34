-- The table may be another server's.
DO 0;
