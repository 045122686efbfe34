-- The column is another server's, which fills it itself.
DO 0;
