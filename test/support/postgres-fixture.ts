/** A cluster with everything that a dump and its restore are known to lose. */
import type { TestServer } from './postgres.js';

/** A database name with a space, both quotes, an equals sign, a slash and letters beyond ASCII. */
export const ODD_DATABASE = `we ird/"q'=ünï\\x`;

const ROLES = `
create role app_owner login password 'owner secret';
create role reader nologin;
create role "Odd ""Role'" login password 'odd' connection limit 3 valid until '2040-01-01';
create role admin_group createdb createrole;
grant reader to app_owner with admin option;
grant admin_group to "Odd ""Role'";
alter role app_owner set work_mem = '7MB';
alter role all set "app.tenant" = 'it''s \\ ours';
alter role all set temp_tablespaces = 'pg_default', 'odd "name"';
comment on role reader is E'first line
CREATE ROLE postgres;
it''s the last line';
`;

const DATABASES = `
create database app owner app_owner encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0;
comment on database app is 'the application''s';
alter database app connection limit 42;
alter database app set search_path = 'app', 'public';
alter database app set default_transaction_read_only = on;
alter role reader in database app set statement_timeout = '3s';
revoke all on database app from public;
grant connect, temporary on database app to reader;
create database "we ird/""q'=ünï\\x";
create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0;
alter database postgres set deadlock_timeout = '2s';
comment on database postgres is 'changed';
grant create on database postgres to reader;
`;

const APP = `
set default_transaction_read_only = off;
create schema app authorization app_owner;
create schema "odd schema";
create extension pg_trgm schema public;
create extension hstore;
alter default privileges for role app_owner in schema app grant select on tables to reader;
set role app_owner;
create type app.mood as enum ('fine', 'so-so');
create sequence app.counter start 100 increment 7;
select nextval('app.counter'), nextval('app.counter');
create table app.users (
  id bigint generated always as identity primary key,
  name text not null, mood app.mood default 'fine',
  lower_name text generated always as (lower(name)) stored,
  counter bigint default nextval('app.counter'));
insert into app.users (name) select 'User ' || i || E'\\n\\\\.\\ttab' from generate_series(1, 500) i;
create table app.nokey (line text);
insert into app.nokey values ('same'), ('same'), (E'\\\\.'), ('CREATE DATABASE forged;'), (null), ('');
create table app.chicken (id int primary key, egg int);
create table app.egg (id int primary key, chicken int references app.chicken);
insert into app.chicken values (1, 1); insert into app.egg values (1, 1);
alter table app.chicken add foreign key (egg) references app.egg;
create table app.events (at date not null, what text) partition by range (at);
create table app.events_2024 partition of app.events for values from ('2024-01-01') to ('2025-01-01');
create table app.events_rest partition of app.events default;
insert into app.events select '2024-12-01'::date + i, 'e' || i from generate_series(1, 100) i;
create table app.parent (a int); create table app.child (b int) inherits (app.parent);
insert into app.parent values (1); insert into app.child values (2, 3);
create unlogged table app.unlogged (a int); insert into app.unlogged values (1), (2);
create table app.nothing ();
insert into app.nothing default values; insert into app.nothing default values;
create view app.active as select * from app.users where mood = 'fine';
create materialized view app.totals as select count(*) as n from app.users;
create index users_trigram on app.users using gin (name public.gin_trgm_ops);
create function app.trick() returns text language plpgsql as $f$
begin
  return $x$
\\connect forged
COPY app.users (id) FROM stdin;
CREATE DATABASE forged;
$x$;
end $f$;
reset role;
insert into app.users (name) values ('after the view was filled');
create table "odd schema"."Odd ""table"" 'é'" (t text, "b c" bytea);
insert into "odd schema"."Odd ""table"" 'é'" values ('ü', '\\x00ff');
alter table app.users enable row level security;
grant insert on app.users to reader;
select lo_from_bytea(4711, decode(repeat('00ff41', 20000), 'hex'));
select lo_from_bytea(0, 'another');
select lo_put(lo_create(4712), 100000, 'after a hole');
alter table app.parent add column later text default 'a child has it last, until it is restored';
create type app.pair as (number int, text text);
create table app.kinds (id int, gone text, at timestamptz, local timestamp, day date, span interval,
  raw bytea, single real, double double precision, exact numeric, doc jsonb, list text[], floats float8[],
  price money, ref regclass, rng tstzrange, flag bool, "odd "" %s :name" text, composite app.pair);
alter table app.kinds drop column gone;
insert into app.kinds
  select i, '2024-12-12 01:00:00.123456+03'::timestamptz + i * interval '1 s', '2024-12-12 01:00:00.5', '0044-03-15 BC',
    interval '1 year -2 days 03:04:05.6', '\\x005c22ff', 0.1 + i, 1e-300 / 3 + i, 'NaN', '{"b": [1.50, null], "a": "\\u0041 \\""}',
    array['a"b', null, '', 'NULL', '{,}'], array[0.1, 'Infinity', '-0'], '12.34', 'app.users', '[2024-01-01,infinity)',
    null, E'tab\t (and) , "quotes" \\ ' || i, row(i, null)::app.pair
  from generate_series(1, 20) i;
insert into app.kinds (id) values (null), (null), (0);
create table app.large as
  select (select string_agg(md5((i * 100 + j)::text), '') from generate_series(1, 4000) j) as text from generate_series(1, 3) i;
alter large object 4711 owner to app_owner;
grant select on large object 4711 to reader;
comment on large object 4711 is 'big';
`;

/** Fills a new server. */
export async function fillCluster(server: TestServer): Promise<void> {
  await server.sql('postgres', ROLES);
  await server.sql('postgres', DATABASES);
  await server.sql('app', APP);
  await server.sql(ODD_DATABASE, `create table t as select generate_series(1, 3) as n;`);
  await server.sql(
    'latin',
    `create table t (x text); insert into t values (convert_from('\\xe9', 'LATIN1'));`,
  );
  await server.sql(
    'template1',
    `create table in_template (a int); insert into in_template values (1);`,
  );
  await server.sql(
    'postgres',
    `create table in_postgres (a int); insert into in_postgres values (1), (2);`,
  );
}

/**
 * Facts that a list of tables and counts does not show, as text to be compared: rights, settings,
 * comments, memberships, passwords.
 */
export async function fineDetails(server: TestServer): Promise<Record<string, string>> {
  // Rights are granted again in another order.
  const sorted = (acl: string): string =>
    `(select array_agg(a::text order by a::text) from unnest(${acl}) a)`;
  const cluster = `
    select rolname, rolpassword, rolsuper, rolcanlogin, rolconnlimit, rolvaliduntil, rolcreatedb,
      shobj_description(oid, 'pg_authid') from pg_authid where rolname !~ '^pg_' order by 1;
    select r.rolname, m.rolname, admin_option from pg_auth_members
      join pg_roles r on r.oid = roleid join pg_roles m on m.oid = member order by 1, 2;
    select datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype,
      datconnlimit, datistemplate, ${sorted('datacl')}, shobj_description(oid, 'pg_database')
      from pg_database order by datname;
    select d.datname, r.rolname, s.setconfig from pg_db_role_setting s
      left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole order by 1, 2;`;
  const database = `
    select n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), ${sorted('c.relacl')}, c.relrowsecurity, c.relpersistence
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by 1, 2;
    select nspname, ${sorted('nspacl')}, pg_get_userbyid(nspowner) from pg_namespace where nspname !~ '^pg_' order by 1;
    select defaclacl::text from pg_default_acl order by 1;
    select oid, pg_get_userbyid(lomowner), ${sorted('lomacl')}, obj_description(oid, 'pg_largeobject') from pg_largeobject_metadata order by 1;
    select conname, pg_get_constraintdef(oid) from pg_constraint order by 1;
    select proname, md5(prosrc) from pg_proc where oid >= 16384 order by 1, 2;
    select extname, extversion from pg_extension order by 1;`;
  return {
    cluster: await server.sql('postgres', cluster),
    app: await server.sql('app', database),
    odd: await server.sql(ODD_DATABASE, database),
    template1: await server.sql('template1', database),
  };
}
