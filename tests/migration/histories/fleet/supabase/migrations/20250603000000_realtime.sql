DO $do$ BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM pg_publication_tables
        WHERE pubname = 'supabase_realtime' AND schemaname = 'fleet' AND tablename = 'trips'
    ) THEN
        ALTER PUBLICATION supabase_realtime ADD TABLE fleet.trips;
    END IF;
END $do$;
GRANT USAGE ON SCHEMA fleet TO authenticated, service_role;
GRANT SELECT, INSERT ON fleet.trips TO authenticated;
GRANT USAGE ON SEQUENCE fleet.trip_number TO authenticated;
ALTER TABLE fleet.trips REPLICA IDENTITY FULL
;
