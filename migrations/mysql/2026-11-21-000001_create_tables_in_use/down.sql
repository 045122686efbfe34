-- The tables may be another server's, so they stay.
DO 0;
