-- Current clients make ids of up to 256 bytes.
DO $$
BEGIN
    IF EXISTS (
        SELECT FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'messages' AND column_name = 'messageId'
            AND character_maximum_length < 256
    ) THEN
        ALTER TABLE "messages" ALTER COLUMN "messageId" TYPE VARCHAR(256) COLLATE "C";
        -- Statements that running servers have prepared fail from now on: "cached plan must not change result type". So
        -- their connections end here. They open others, which wait for the commit. Tables that this very session has made
        -- have no such servers, only others that start and wait for their turn.
        PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
            AND EXISTS (
                SELECT FROM "__diesel_schema_migrations" AS applied, pg_stat_activity AS own
                WHERE applied."version" = '20261121000001' AND own.pid = pg_backend_pid()
                    AND applied."run_on" < own.backend_start AT TIME ZONE 'UTC'
            );
    END IF;
END
$$;
