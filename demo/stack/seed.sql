-- Contents for the sample stack's PostgreSQL: everything a dump of one database alone would lose,
-- and everything a restore is known to get wrong. About 300 000 rows at scale 1.
-- psql -v ON_ERROR_STOP=1 [-v scale=1] -f seed.sql, as the superuser, on a cluster without these databases.
\set ON_ERROR_STOP on
\if :{?scale}
\else
  \set scale 1
\endif

-- Roles: owners that are not the superuser, groups, memberships with options, settings.
CREATE ROLE reporting NOLOGIN;
CREATE ROLE writers NOLOGIN;
CREATE ROLE mlops_owner LOGIN PASSWORD 'sample-mlops' CONNECTION LIMIT 20;
CREATE ROLE mlops_artifacts NOLOGIN;
CREATE ROLE agent_owner LOGIN PASSWORD 'sample-agent';
CREATE ROLE webbot_owner LOGIN PASSWORD 'sample-webbot' VALID UNTIL '2099-01-01';
CREATE ROLE analytics_owner LOGIN CREATEDB PASSWORD 'sample-analytics';
CREATE ROLE "Reader With Space" LOGIN PASSWORD 'sample-reader';
GRANT reporting TO analytics_owner WITH ADMIN OPTION;
GRANT reporting TO "Reader With Space" GRANTED BY analytics_owner;
GRANT writers TO agent_owner, webbot_owner;
GRANT pg_read_all_stats TO reporting;
ALTER ROLE agent_owner SET work_mem = '8MB';
ALTER ROLE analytics_owner SET search_path = marts, public;
ALTER ROLE ALL SET idle_in_transaction_session_timeout = '10min';
COMMENT ON ROLE reporting IS 'Reads everywhere, writes nowhere';

CREATE DATABASE mlops OWNER mlops_owner;
CREATE DATABASE agent OWNER agent_owner CONNECTION LIMIT 40;
CREATE DATABASE webbot OWNER webbot_owner;
CREATE DATABASE analytics OWNER analytics_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE "client's ""old"" data" OWNER mlops_owner;

ALTER DATABASE mlops SET statement_timeout = '15min';
ALTER DATABASE analytics SET timezone = 'Europe/Moscow';
ALTER DATABASE webbot SET "plpgsql.extra_warnings" = 'shadowed_variables';
ALTER ROLE webbot_owner IN DATABASE webbot SET lock_timeout = '5s';
REVOKE CONNECT ON DATABASE analytics FROM PUBLIC;
GRANT CONNECT ON DATABASE analytics TO reporting;
GRANT CREATE, TEMPORARY ON DATABASE agent TO writers;
COMMENT ON DATABASE mlops IS 'Experiments и метрики';

------------------------------------------------------------------------ mlops
\connect mlops
CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
SET ROLE mlops_owner;
CREATE SCHEMA tracking;
CREATE TYPE tracking.state AS ENUM ('queued', 'running', 'done', 'failed');
CREATE DOMAIN tracking.share AS numeric CHECK (VALUE BETWEEN 0 AND 1);
CREATE TABLE tracking.runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  state tracking.state NOT NULL DEFAULT 'queued',
  params hstore,
  accuracy tracking.share,
  started timestamptz NOT NULL
);
CREATE TABLE tracking.metrics (
  run bigint NOT NULL REFERENCES tracking.runs ON DELETE CASCADE,
  step int NOT NULL,
  value double precision,
  PRIMARY KEY (run, step)
) PARTITION BY RANGE (run);
CREATE TABLE tracking.metrics_low PARTITION OF tracking.metrics FOR VALUES FROM (MINVALUE) TO (1001);
CREATE TABLE tracking.metrics_high PARTITION OF tracking.metrics FOR VALUES FROM (1001) TO (MAXVALUE);
INSERT INTO tracking.runs (name, state, params, accuracy, started)
  SELECT 'run ' || n, (enum_range(NULL::tracking.state))[1 + n % 4], hstore('lr', (n * 0.001)::text) || hstore('seed', n::text),
         (n % 100) / 100.0, timestamptz '2024-01-01 00:00+00' + n * interval '1 minute'
    FROM generate_series(1, 2000) AS n;
INSERT INTO tracking.metrics
  SELECT run, step, sqrt(run) / step FROM generate_series(1, 2000) AS run, generate_series(1, 40 * :scale) AS step;
CREATE INDEX runs_name_trigrams ON tracking.runs USING gin (name gin_trgm_ops);
CREATE VIEW tracking.finished AS SELECT id, name, accuracy FROM tracking.runs WHERE state = 'done';
CREATE MATERIALIZED VIEW tracking.best AS
  SELECT run, min(value) AS value FROM tracking.metrics GROUP BY run WITH DATA;
CREATE UNIQUE INDEX ON tracking.best (run);
GRANT USAGE ON SCHEMA tracking TO reporting;
GRANT SELECT (id, name), UPDATE (name) ON tracking.runs TO reporting;
GRANT SELECT ON tracking.finished TO reporting WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA tracking GRANT SELECT ON TABLES TO reporting;
RESET ROLE;
-- Large objects are outside every schema and have owners and grants of their own.
SELECT lo_from_bytea(700000 + n, decode(repeat(md5(n::text), 4096), 'hex')) FROM generate_series(1, 20) AS n \g /dev/null
DO $$
BEGIN
  FOR n IN 700001 .. 700020 LOOP
    EXECUTE format('ALTER LARGE OBJECT %s OWNER TO mlops_artifacts', n);
  END LOOP;
END
$$;
GRANT SELECT ON LARGE OBJECT 700001 TO reporting;
COMMENT ON LARGE OBJECT 700002 IS 'Model card';

------------------------------------------------------------------------ agent
\connect agent
CREATE EXTENSION pg_trgm;
SET ROLE agent_owner;
CREATE SEQUENCE ticket_numbers START 1000 INCREMENT 7 CACHE 1;
CREATE TABLE documents (
  id serial PRIMARY KEY,
  ticket bigint NOT NULL DEFAULT nextval('ticket_numbers'),
  title text NOT NULL,
  body text NOT NULL,
  tags text[],
  meta jsonb NOT NULL DEFAULT '{}'
);
INSERT INTO documents (title, body, tags, meta)
  SELECT 'Документ ' || n, repeat(md5(n::text), 4), ARRAY['tag' || n % 10, 'a "quoted" tag', E'tab\tand\nnewline'],
         jsonb_build_object('n', n, 'odd', n % 2 = 1)
    FROM generate_series(1, 60000 * :scale) AS n;
CREATE INDEX documents_title ON documents USING gin (title gin_trgm_ops);
-- No primary key: restoring such a table twice doubles it without any error.
CREATE TABLE events (at timestamptz NOT NULL, kind text, payload bytea);
INSERT INTO events
  SELECT timestamptz '2024-06-01 00:00+00' + n * interval '1 second', 'kind ' || n % 5, decode(md5(n::text), 'hex')
    FROM generate_series(1, 30000 * :scale) AS n;
CREATE FUNCTION touch_meta() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.meta := NEW.meta || '{"touched": true}';
  RETURN NEW;
END
$$;
CREATE TRIGGER documents_touch BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION touch_meta();
GRANT SELECT ON documents TO reporting;
GRANT INSERT ON events TO webbot_owner;
GRANT USAGE ON SEQUENCE ticket_numbers TO writers;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO writers;
RESET ROLE;

----------------------------------------------------------------------- webbot
\connect webbot
SET ROLE webbot_owner;
CREATE TABLE users (id int PRIMARY KEY, login text UNIQUE NOT NULL, secret text NOT NULL);
CREATE TABLE messages (
  id bigserial PRIMARY KEY,
  author int NOT NULL REFERENCES users,
  text text NOT NULL,
  length int GENERATED ALWAYS AS (char_length(text)) STORED
);
INSERT INTO users SELECT n, 'user' || n, md5('secret' || n) FROM generate_series(1, 500) AS n;
INSERT INTO messages (author, text)
  SELECT 1 + n % 500, 'Сообщение ' || n || E' \\ back\\slash' FROM generate_series(1, 60000 * :scale) AS n;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_row ON users TO reporting USING (id = 1);
GRANT SELECT (id, login) ON users TO reporting;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
RESET ROLE;

-------------------------------------------------------------------- analytics
\connect analytics
SET ROLE analytics_owner;
CREATE SCHEMA marts;
CREATE TABLE marts.facts (day date NOT NULL, item int NOT NULL, amount numeric(12, 2), note text);
INSERT INTO marts.facts
  SELECT date '2023-01-01' + n % 700, n % 1000, (n % 100000) / 7.0, CASE WHEN n % 3 = 0 THEN 'note ' || n END
    FROM generate_series(1, 70000 * :scale) AS n;
CREATE INDEX facts_day ON marts.facts (day) WHERE note IS NOT NULL;
CREATE MATERIALIZED VIEW marts.by_day AS SELECT day, sum(amount) AS amount FROM marts.facts GROUP BY day WITH NO DATA;
CREATE STATISTICS marts.facts_day_item ON day, item FROM marts.facts;
GRANT USAGE ON SCHEMA marts TO reporting;
GRANT SELECT ON ALL TABLES IN SCHEMA marts TO reporting;
RESET ROLE;

------------------------------------------------------------- an awkward name
\connect "client's ""old"" data"
SET ROLE mlops_owner;
CREATE TABLE "Таблица с пробелом" ("select" int PRIMARY KEY, "a""quote" text);
INSERT INTO "Таблица с пробелом" SELECT n, 'row ' || n FROM generate_series(1, 100) AS n;
RESET ROLE;
