/** A database of objects that an archive of pg_dump can't be restored with in one go. */
import type { TestServer } from './postgres.js';

const SHOP = `
create extension unaccent;
create table orders (id int primary key, city text, amount numeric);
insert into orders select g, 'city' || (g % 7), g * 1.5 from generate_series(1, 1000) g;

-- a materialized view of a function that names a table without its schema; one of that; one in turn
create function order_stats() returns table (city text, n bigint) language sql stable as
  $$ select city, count(*) from orders group by city $$;
create materialized view city_stats as select * from order_stats();
create materialized view a_big_cities as select * from city_stats where n > 1;
create unique index on a_big_cities (city);

-- an index on a function that needs the path, also to be planned
create table people (id int primary key, name text);
insert into people select g, 'Élodie ' || g from generate_series(1, 1000) g;
create function f_unaccent(text) returns text language sql immutable parallel safe strict as
  $$ select unaccent('unaccent', $1) $$;
create index people_name on people (f_unaccent(name));

-- checks that read a table loaded later, in a chain
create table a_items (id int primary key, kind text);
create table z_kinds (kind text primary key);
insert into z_kinds values ('tool'), ('toy');
create function kind_exists(k text) returns boolean language sql stable as
  $$ select exists (select from z_kinds where kind = k) $$;
alter table a_items add constraint known_kind check (kind_exists(kind));
insert into a_items select g, case g % 2 when 0 then 'tool' else 'toy' end from generate_series(1, 100) g;
create function item_exists(i int) returns boolean language plpgsql stable as
  $$ begin return exists (select from a_items where id = i); end $$;
create table a_first (item int check (item_exists(item)));
insert into a_first values (1), (2);
create function note() returns trigger language plpgsql as
  $$ begin insert into trace values (new.item); return new; end $$;
create table trace (item int);
create trigger traced after insert on a_first for each row execute function note();

-- two tables whose checks read each other
create table ring_a (id int primary key);
create table ring_b (id int primary key);
create function in_a(i int) returns boolean language sql stable as $$ select exists (select from ring_a where id = i) $$;
create function in_b(i int) returns boolean language sql stable as $$ select exists (select from ring_b where id = i) $$;
insert into ring_a values (1), (2);
insert into ring_b values (1), (2);
alter table ring_a add constraint has_b check (in_b(id));
alter table ring_b add constraint has_a check (in_a(id));
comment on constraint has_b on ring_a is 'its other half';

-- a check that held when the rows came
create table tickets (id int, until timestamptz, constraint in_time check (until > now()));
alter table tickets drop constraint in_time;
insert into tickets values (1, now() + interval '1 second');
alter table tickets add constraint in_time check (until > now());
alter table tickets disable trigger all;

-- a domain whose check reads a table, a generated column, a default
create domain known as text check (kind_exists(value));
create table a_domain (k known, ks known[]);
insert into a_domain values ('tool', array['toy']::known[]);
create function plain(t text) returns text language sql immutable as $$ select t $$;
create function shout(t text) returns text language sql immutable as $$ select upper(plain(t)) $$;
create table a_generated (t text, loud text generated always as (shout(t)) stored);
insert into a_generated (t) values ('a'), ('b');

-- partitions and children with such a check
create table parts (k text not null, constraint part_kind check (kind_exists(k))) partition by list (k);
create table a_part partition of parts for values in ('tool');
create table a_rest partition of parts default;
insert into parts values ('tool'), ('toy');
create table family (k text, constraint family_kind check (kind_exists(k)));
create table a_child (extra int) inherits (family);
insert into a_child values ('tool', 1);

-- a foreign key that was never valid, a view with a barrier, a publication, row-level security, a rule
create table owners (id int primary key);
create table things (id int, owner int);
insert into things values (1, 99);
alter table things add constraint things_owner foreign key (owner) references owners not valid;
create view careful with (security_barrier) as select * from orders where amount > 10;
create publication news for table orders;
alter table orders enable row level security;
create policy mine on orders using (kind_exists('tool'));
create rule no_delete as on delete to owners do instead nothing;

-- an index whose function has been broken since: not even planned can the table be counted
create table raising (i int);
insert into raising values (1), (2), (3);
create function broken() returns int language plpgsql immutable as $$ begin return 1; end $$;
create index raising_index on raising ((broken()));
create or replace function broken() returns int language plpgsql immutable as $$ begin raise 'broken since'; end $$;

-- rights that hold for what is made from here on, and not for the tables above
alter default privileges grant select on tables to public;

-- statements are watched
create function no_changes() returns event_trigger language plpgsql as
  $$ begin raise exception 'no changes here'; end $$;
create event trigger guard on ddl_command_start execute function no_changes();
`;

const TOWNS = `
create table ref (id int primary key, def text);
insert into ref values (1, 'one'), (2, 'two');
select pg_catalog.pg_extension_config_dump('ref', 'where id > 100');
create domain code as text check (value ~ '^[A-Z]+$');
create function def_of(i int) returns text language sql stable as 'select def from @extschema@.ref where id = i';
`;

/** An extension of nothing but SQL, with a table of which a dump holds the rows that are not its own. */
export async function installExtension(server: TestServer): Promise<void> {
  await server.shell(`cd /usr/share/postgresql/15/extension
cat > towns.control <<'END'
default_version = '1.0'
relocatable = false
END
cat > towns--1.0.sql <<'END'
${TOWNS}
END`);
}

const GIS = `
create schema towns;
create extension towns schema towns;
insert into towns.ref values (101, 'own');
update towns.ref set def = 'changed' where id = 1;
create table places (id int primary key, code towns.code, def text default towns.def_of(2));
insert into places (id, code) select g, 'ABC' from generate_series(1, 50) g;
create materialized view named as select p.id, towns.def_of(101) as def from places p;
`;

export async function fillWithObjects(server: TestServer): Promise<void> {
  await installExtension(server);
  await server.sql('postgres', 'create database shop; create role keeper; create database tiny;');
  await server.sql('shop', SHOP);
  await server.sql('postgres', 'create database gis');
  await server.sql('gis', GIS);
}
