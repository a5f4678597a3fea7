-- A template-like database that nobody may connect to. pg_dumpall leaves it out without a word,
-- so a backup has to notice by itself. Kept apart from seed.sql for the tests of just that.
\set ON_ERROR_STOP on
CREATE DATABASE frozen_template TEMPLATE template0 IS_TEMPLATE true;
\connect frozen_template
CREATE TABLE kept (id int PRIMARY KEY, note text);
INSERT INTO kept SELECT n, 'note ' || n FROM generate_series(1, 1000) AS n;
\connect postgres
ALTER DATABASE frozen_template ALLOW_CONNECTIONS false;
