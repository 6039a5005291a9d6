-- Text that is compared without regard to case and in ranges is kept in a key of its own. SQLite compares text by its
-- bytes; here PostgreSQL is told to do the same, whatever language the database was made for.
ALTER TABLE users ALTER COLUMN user_principal_name_key TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN display_name_key TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN given_name_key TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN surname_key TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN mail_key TYPE TEXT COLLATE "C";
ALTER TABLE users ALTER COLUMN registration_class TYPE TEXT COLLATE "C";
ALTER TABLE user_words ALTER COLUMN word TYPE TEXT COLLATE "C";
ALTER TABLE registration_counts ALTER COLUMN class TYPE TEXT COLLATE "C";
