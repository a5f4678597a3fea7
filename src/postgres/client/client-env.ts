import type { ServerLogin } from './exec.js';
/**
 * Settings that make a session's answers independent of what databases and roles have configured.
 * Options given at connection time win over ALTER DATABASE SET and ALTER ROLE SET.
 */
const SESSION_SETTINGS = {
  search_path: 'pg_catalog',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  default_transaction_read_only: 'off',
  standard_conforming_strings: 'on',
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  lc_monetary: 'C',
  quote_all_identifiers: 'off',
} as const;

/** Only a superuser may set these; a session of anyone else would not even start. */
const SUPERUSER_SETTINGS = { lc_messages: 'C' } as const;

/** Name of every session that loads a dump: a later attempt ends what a killed one left. */
export const LOADER_NAME = 'holdfast-load';

/** Name of the sessions that look at what a database holds. */
export const INSPECTOR_NAME = 'holdfast-inspect';

type Environment = Record<string, string>;

/** English messages, and the password where there is one: never in the arguments. */
function clientEnv(login: ServerLogin): Environment {
  return {
    LC_ALL: 'C',
    ...(login.password === undefined ? {} : { PGPASSWORD: login.password }),
  };
}

/**
 * Environment of a client that asks questions: UTF-8 names, neutral settings.
 * @param settings Added to, or instead of, the neutral ones.
 */
export function questionEnv(
  login: ServerLogin,
  settings: Readonly<Record<string, string>> = {},
): Environment {
  return {
    ...clientEnv(login),
    PGCLIENTENCODING: 'UTF8',
    PGOPTIONS: optionsOf({ ...SESSION_SETTINGS, ...SUPERUSER_SETTINGS, ...settings }),
  };
}

/** The same before it is known whether the user is a superuser. */
export function firstQuestionEnv(login: ServerLogin): Environment {
  return {
    ...clientEnv(login),
    PGCLIENTENCODING: 'UTF8',
    PGOPTIONS: optionsOf({ search_path: 'pg_catalog' }),
  };
}

/**
 * Environment of pg_dump and pg_dumpall. No client encoding: it would replace each database's own,
 * which is what the dump is to be written in.
 */
export function dumpEnv(login: ServerLogin, applicationName: string): Environment {
  return {
    ...clientEnv(login),
    PGAPPNAME: applicationName,
    PGOPTIONS: optionsOf(SUPERUSER_SETTINGS),
  };
}

/**
 * Environment of psql and pg_restore that load a dump. A database that is read-only by its own
 * setting could otherwise not be filled, and time limits meant for applications would end it.
 * @param settings Added to these.
 */
export function loadEnv(
  login: ServerLogin,
  settings: Readonly<Record<string, string>> = {},
): Environment {
  return {
    ...clientEnv(login),
    PGAPPNAME: LOADER_NAME,
    PGOPTIONS: optionsOf({
      ...SUPERUSER_SETTINGS,
      default_transaction_read_only: 'off',
      statement_timeout: '0',
      lock_timeout: '0',
      idle_in_transaction_session_timeout: '0',
      // Made durable by one checkpoint at the end instead of at each of thousands of statements.
      synchronous_commit: 'off',
      ...settings,
    }),
  };
}

function optionsOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replace(/([\\ ])/g, '\\$1')}`)
    .join(' ');
}

/** A connection string, because clients take a bare name with `=` or `://` in it for one. */
export function connectTo(database: string): string {
  return `dbname='${database.replace(/([\\'])/g, '\\$1')}'`;
}

/** psql that reads SQL from standard input, answers plain text and stops at the first error. */
export function psqlArgv(login: ServerLogin, database: string): string[] {
  return [
    'psql',
    '-XAtqw',
    '-v',
    'ON_ERROR_STOP=1',
    '-U',
    login.user,
    '-d',
    connectTo(database),
    '-f',
    '-',
  ];
}
