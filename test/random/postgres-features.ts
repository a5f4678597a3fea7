/** What databases are drawn from: each a script of its own, whose names begin with its key. */

interface PostgresFeature {
  readonly sql: string;
  /** A question about what no dump shows: rows of materialized views, states. */
  readonly probe?: string;
  /** The last value of a sequence, a row more, and so on: a later state. */
  readonly change?: string;
}

export const POSTGRES_FEATURES = {
  plain: {
    sql: `create table plain (id int primary key, what text not null); insert into plain select g, 'row ' || g from generate_series(1, 200) g;`,
    change: `update plain set what = 'changed' where id = 7; delete from plain where id = 9;`,
  },
  matviewOnFunction: {
    sql: `create table mv_orders (id int primary key, city text); insert into mv_orders select g, 'city' || g % 7 from generate_series(1, 100) g;
      create function mv_stats() returns table (city text, n bigint) language sql stable as $$ select city, count(*) from mv_orders group by city $$;
      create materialized view mv_city as select * from mv_stats();
      create materialized view mv_a_first as select * from mv_city where n > 1;
      create unique index on mv_a_first (city);`,
    probe: `select * from mv_a_first order by 1`,
  },
  matviewEmpty: {
    sql: `create table mve (a int); create materialized view mve_none as select * from mve with no data;`,
    probe: `select relispopulated from pg_class where relname = 'mve_none'`,
  },
  indexOnFunction: {
    sql: `create extension if not exists unaccent; create table idx_people (id int primary key, name text); insert into idx_people select g, 'Élodie ' || g from generate_series(1, 100) g;
      create function idx_plain(text) returns text language sql immutable strict as $$ select unaccent('unaccent', $1) $$;
      create index idx_people_name on idx_people (idx_plain(name));`,
    probe: `select indexdef from pg_indexes where tablename = 'idx_people' order by 1`,
  },
  checkReadsOther: {
    sql: `create table chk_a_items (id int primary key, kind text); create table chk_z_kinds (kind text primary key); insert into chk_z_kinds values ('tool'), ('toy');
      create function chk_exists(k text) returns boolean language sql stable as $$ select exists (select from chk_z_kinds where kind = k) $$;
      alter table chk_a_items add constraint chk_known check (chk_exists(kind)); insert into chk_a_items values (1, 'tool'), (2, 'toy');`,
    probe: `select pg_get_constraintdef(oid), convalidated from pg_constraint where conname = 'chk_known'`,
  },
  domainReadsTable: {
    sql: `create table dom_kinds (kind text); insert into dom_kinds values ('a'); create function dom_ok(k text) returns boolean language sql stable as $$ select exists (select from dom_kinds where kind = k) $$;
      create domain dom_known as text check (dom_ok(value)); create table dom_a (k dom_known, ks dom_known[]); insert into dom_a values ('a', array['a']::dom_known[]);`,
    probe: `select pg_get_constraintdef(oid) from pg_constraint where contypid = 'dom_known'::regtype`,
  },
  generated: {
    sql: `create function gen_plain(t text) returns text language sql immutable as $$ select t $$;
      create function gen_shout(t text) returns text language sql immutable as $$ select upper(gen_plain(t)) $$;
      create table gen_a (id int generated always as identity (start 100 increment 7), t text, loud text generated always as (gen_shout(t)) stored); insert into gen_a (t) values ('a'), ('b');`,
    change: `insert into gen_a (t) values ('c');`,
  },
  defaultOnFunction: {
    sql: `create sequence def_seq start 5; create function def_next() returns bigint language sql as $$ select nextval('def_seq') $$;
      create table def_a (id bigint default def_next(), x text); insert into def_a (x) values ('a'), ('b');`,
    change: `insert into def_a (x) values ('c');`,
  },
  partitions: {
    sql: `create table part_events (at date not null, what text) partition by range (at); create table part_2024 partition of part_events for values from ('2024-01-01') to ('2025-01-01');
      create table part_rest partition of part_events default; insert into part_events select '2024-12-01'::date + i, 'e' || i from generate_series(1, 60) i; create index on part_events (what);`,
  },
  inheritance: {
    sql: `create table inh_parent (a int); create table inh_child (b int) inherits (inh_parent); insert into inh_child values (1, 2); insert into inh_parent values (3); alter table inh_child alter a set default 5;`,
  },
  largeObjects: {
    sql: `select lo_from_bytea(0, decode(repeat('00ff41', 9000), 'hex')); select lo_put(lo_create(0), 100000, 'after a hole'); create extension if not exists lo;`,
    probe: `select oid, md5(lo_get(oid)) from pg_largeobject_metadata order by 1`,
  },
  oddNames: {
    sql: `create schema "Odd ""Schema"" é"; create table "Odd ""Schema"" é"."T 'x' %s \\" ("a b" int primary key, "select" text, "$1" text); insert into "Odd ""Schema"" é"."T 'x' %s \\" values (1, E'tab\\t\\n\\\\.', '');`,
  },
  rowSecurity: {
    sql: `create table rls_t (who text, what text); insert into rls_t values ('a', 'b'); alter table rls_t enable row level security; alter table rls_t force row level security; create policy rls_mine on rls_t using (who = current_user);`,
  },
  eventTrigger: {
    sql: `create function ev_no() returns event_trigger language plpgsql as $$ begin raise exception 'no drops here'; end $$; create event trigger ev_t on sql_drop execute function ev_no();`,
    probe: `select evtname, evtenabled from pg_event_trigger order by 1`,
  },
  publication: {
    sql: `create table pub_t (id int primary key); insert into pub_t values (1); create publication pub_some for table pub_t where (id > 0); create publication pub_all for all tables;`,
  },
  circularKeys: {
    sql: `create table circ_a (id int primary key, b int); create table circ_b (id int primary key, a int references circ_a); alter table circ_a add foreign key (b) references circ_b deferrable initially deferred; insert into circ_a values (1, null); insert into circ_b values (1, 1); update circ_a set b = 1;`,
  },
  notValidKey: {
    sql: `create table nv_owner (id int primary key); create table nv_thing (owner int); insert into nv_thing values (99); alter table nv_thing add constraint nv_fk foreign key (owner) references nv_owner not valid;`,
  },
  triggersAndRules: {
    sql: `create table trg_t (a int); create table trg_log (a int); create function trg_note() returns trigger language plpgsql as $$ begin insert into trg_log values (new.a); return new; end $$;
      create trigger trg_on after insert on trg_t for each row execute function trg_note(); alter table trg_t enable always trigger trg_on; insert into trg_t values (1), (2);
      create view trg_v as select * from trg_t; create rule trg_r as on insert to trg_v do instead insert into trg_t values (new.a);`,
  },
  extensions: {
    sql: `create schema ext; create extension pg_trgm schema ext; create extension hstore schema ext; create extension citext; create extension btree_gist; create extension cube; create extension ltree; create extension "uuid-ossp";
      create table ext_t (id int primary key, c citext, h ext.hstore, l ltree, during int4range, exclude using gist (id with =, during with &&)); insert into ext_t values (1, 'A', 'a=>1', 'x.y', '[1,3)'); create index on ext_t using gin (h); create index ext_trgm on ext_t using gin ((c::text) ext.gin_trgm_ops);`,
  },
  foreignTable: {
    sql: `create extension file_fdw; create server fdw_files foreign data wrapper file_fdw; create foreign table fdw_passwd (line text) server fdw_files options (filename '/etc/hostname');`,
  },
  unloggedAndNone: {
    sql: `create unlogged table none_u (a int); insert into none_u values (1); create table none_columns (); insert into none_columns default values;`,
  },
  kinds: {
    sql: `create type kind_mood as enum ('fine', 'so-so'); create type kind_pair as (n int, t text); create table kind_all (at timestamptz, d date, span interval, raw bytea, f float8, n numeric, doc jsonb, list text[], mood kind_mood, pair kind_pair, r tstzrange, x xml);
      insert into kind_all values ('2024-12-12 01:00:00.123456+03', '0044-03-15 BC', '1 year -2 days', '\\x005c22ff', 1e-300, 'NaN', '{"b": [1.50, null]}', array['a"b', null, '{,}'], 'so-so', row(1, null)::kind_pair, '[2024-01-01,infinity)', '<a/>');`,
  },
  grants: {
    sql: `create table gr_t (a int, b int); grant select (a), update (b) on gr_t to public; alter default privileges grant select on tables to public; comment on table gr_t is E'it''s\\n\\\\a comment'; alter table gr_t set (fillfactor = 70); alter table gr_t alter a set statistics 500; create statistics gr_s on a, b from gr_t;`,
  },
  raisingView: {
    sql: `create function rv_raise() returns int language plpgsql as $$ begin raise exception 'not today'; end $$; create view rv_v as select rv_raise() as x;`,
  },
  replicaIdentity: {
    sql: `create table ri_t (a int not null, b text); alter table ri_t alter b set storage external; create unique index ri_i on ri_t (a); alter table ri_t replica identity using index ri_i; cluster ri_t using ri_i; insert into ri_t values (1, repeat('x', 5000));`,
  },
} as const satisfies Readonly<Record<string, PostgresFeature>>;

export type PostgresFeatureName = keyof typeof POSTGRES_FEATURES;

export function postgresFeature(name: PostgresFeatureName): PostgresFeature {
  return POSTGRES_FEATURES[name];
}

/** Encoding and settings that a database is made with. */
export const DATABASE_KINDS = {
  usual: { options: '', after: '' },
  latin1: {
    options: `encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
    after: '',
  },
  sqlAscii: {
    options: `encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0`,
    after: '',
  },
  readOnly: { options: '', after: 'set default_transaction_read_only = on' },
  searchPath: { options: '', after: `set search_path = 'public', 'x y'` },
  germanDates: { options: '', after: `set datestyle = 'German'` },
  limited: { options: 'connection limit 42', after: `set statement_timeout = '5min'` },
} as const;

export type DatabaseKind = keyof typeof DATABASE_KINDS;

/** Of the whole server. */
export const ROLE_FEATURES = {
  owner: `create role app_owner login password 'secret';`,
  odd: `create role "Odd-Role"" 'x'" login password 'x' connection limit 3 valid until '2040-01-01';`,
  group: `create role some_group nologin; create role some_member in role some_group; alter role some_member set work_mem = '7MB';`,
  all: `alter role all set "app.tenant" = 'it''s \\ ours';`,
} as const;

export type RoleFeature = keyof typeof ROLE_FEATURES;
