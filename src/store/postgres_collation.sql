-- Text that is compared without regard to case and in ranges is kept in a key of its own. SQLite compares text by its
-- bytes; here PostgreSQL is told to do the same, whatever language the database was made for. Changes only what is
-- otherwise, so it can be run at every start.
DO $$
DECLARE
    wanted RECORD;
BEGIN
    FOR wanted IN
        SELECT a.attrelid::regclass AS of_table, a.attname AS of_column
        FROM (VALUES
            ('users', 'user_principal_name_key'), ('users', 'display_name_key'), ('users', 'given_name_key'),
            ('users', 'surname_key'), ('users', 'mail_key'), ('users', 'registration_class'),
            ('user_words', 'word'), ('registration_counts', 'class')
        ) AS keys (table_name, column_name)
        JOIN pg_attribute a ON a.attrelid = to_regclass(keys.table_name) AND a.attname = keys.column_name
        JOIN pg_collation c ON c.oid = a.attcollation
        WHERE c.collname <> 'C'
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE TEXT COLLATE "C"', wanted.of_table, wanted.of_column);
    END LOOP;
END
$$;
