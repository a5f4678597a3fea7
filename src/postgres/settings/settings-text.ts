/**
 * Reads and changes PostgreSQL's configuration files as text. Pure. Texts are latin1 readings of the
 * files' bytes: all that counts here is ASCII, and what is not changed comes out as it was.
 */

export interface ConfLine {
  /** From 1, as `pg_file_settings` counts. */
  readonly line: number;
  /** In lower case. */
  readonly name: string;
  readonly value: string;
}

/** What a configuration file sets and includes, in its order. Lines that can't be read are left out. */
export function confLines(text: string): ConfLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const match =
      /^\s*([A-Za-z_][\w$.-]*)\s*(?:=\s*|\s+|(?='))(?:'((?:[^'\\]|\\.|'')*)'|([^\s#']+))/.exec(raw);
    if (match === null) return [];
    const [, name = '', quoted, bare = ''] = match;
    const value =
      quoted === undefined
        ? bare
        : quoted.replace(/''|\\(.)/g, (two, after: string) => (two === "''" ? "'" : after));
    return [{ line: index + 1, name: name.toLowerCase(), value }];
  });
}

/** A file, or all `*.conf` of a directory, that a configuration file reads. */
export interface Inclusion {
  readonly kind: 'file' | 'directory';
  readonly path: string;
}

export function confInclusions(text: string): Inclusion[] {
  return confLines(text).flatMap(({ name, value }): Inclusion[] => {
    switch (name) {
      case 'include':
      case 'include_if_exists':
        return [{ kind: 'file', path: value }];
      case 'include_dir':
        return [{ kind: 'directory', path: value }];
      default:
        return [];
    }
  });
}

/** What pg_hba.conf or pg_ident.conf reads: lists of names (`@file`), and from 16 on further files. */
export function authInclusions(text: string): Inclusion[] {
  return text.split('\n').flatMap((raw): Inclusion[] => {
    const words = [...raw.matchAll(/#.*|"((?:[^"]|"")*)"|[^\s,"#]+/g)]
      .filter(([word]) => !word.startsWith('#'))
      .map(([word, quoted]) => ({
        text: (quoted ?? word).replaceAll('""', '"'),
        quoted: quoted !== undefined,
      }));
    const [first, second] = words;
    if (first === undefined) return [];
    if (second !== undefined && /^include(_if_exists|_dir)?$/.test(first.text)) {
      return [{ kind: first.text === 'include_dir' ? 'directory' : 'file', path: second.text }];
    }
    return words
      .filter(({ text: word, quoted }) => !quoted && word.startsWith('@') && word.length > 1)
      .map(({ text: word }): Inclusion => ({ kind: 'file', path: word.slice(1) }));
  });
}

/** The text with some of its lines turned into comments, which say why. */
export function withoutLines(text: string, lines: readonly number[], reason: string): string {
  return text
    .split('\n')
    .map((raw, index) => (lines.includes(index + 1) ? `# ${reason}: ${raw}` : raw))
    .join('\n');
}

/** Lines that win over all before them, as a configuration file has it. */
export function withLines(text: string, values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(
    ([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  );
  if (lines.length === 0) return text;
  const end = text === '' || text.endsWith('\n') ? '' : '\n';
  return `${text}${end}${lines.join('\n')}\n`;
}

/** The names in a list of libraries. */
export function librariesIn(value: string): string[] {
  return value
    .split(',')
    .map((name) => name.trim().replace(/^"(.*)"$/, '$1'))
    .filter((name) => name !== '');
}

/** Libraries of which is known that they start no worker, and so do nothing by themselves. */
const PASSIVE = new Set([
  'auto_explain',
  'auth_delay',
  'credcheck',
  'passwordcheck',
  'pg_hint_plan',
  'pg_qualstats',
  'pg_stat_kcache',
  'pg_stat_monitor',
  'pg_stat_statements',
  'pgaudit',
  'set_user',
  'sepgsql',
  'supautils',
]);

/** What the server must have otherwise while a dump is loaded, and why. */
export interface LoadFacts {
  /** What its configuration files set, in the order they are read. */
  readonly settings: ReadonlyMap<string, string>;
  /** The pg_hba.conf that initdb made. */
  readonly freshHba: string;
  /** Of the new cluster, as it answers. */
  readonly freshSharedBuffers: string;
  /** It is a drill's: it has what memory the drill gives it, and must be reached by its own. */
  readonly drill: boolean;
}

/**
 * - Nothing is archived under the old name: the segments of a new cluster have the numbers of the old
 *   one's, and would replace them or block the archive.
 * - No commit waits for a standby, which belongs to another cluster.
 * - Workers of libraries (schedulers) do not act on half of a load.
 * - The login is that of the new cluster until its roles are there.
 */
export function overridesForLoad(facts: LoadFacts): Record<string, string> {
  const { settings, drill } = facts;
  const libraries = librariesIn(settings.get('shared_preload_libraries') ?? '');
  const isSet = (name: string): boolean => settings.has(name);
  return {
    ...(isSet('archive_mode') ? { archive_mode: 'off' } : {}),
    ...(isSet('synchronous_standby_names') ? { synchronous_standby_names: '' } : {}),
    ...(libraries.some((name) => !PASSIVE.has(name)) ? { max_worker_processes: '0' } : {}),
    ...(isSet('hba_file') ? { hba_file: facts.freshHba } : {}),
    ...(drill && isSet('shared_buffers') ? { shared_buffers: facts.freshSharedBuffers } : {}),
    ...(drill && isSet('huge_pages') ? { huge_pages: 'off' } : {}),
    ...(drill && isSet('listen_addresses') ? { listen_addresses: '*' } : {}),
  };
}

/** What acts on the world outside once the settings are in force again, for a person to look at. */
export function actsOutside(settings: ReadonlyMap<string, string>): string[] {
  const value = (name: string): string => settings.get(name) ?? '';
  const archives =
    /^(on|true|yes|1|always)$/i.test(value('archive_mode')) &&
    (value('archive_command') !== '' || value('archive_library') !== '');
  return [
    ...(archives
      ? [
          'WAL is archived as before (archive_command), but of a new cluster: give it a new place, its segments have the names of the old ones',
        ]
      : []),
    ...(value('synchronous_standby_names') === ''
      ? []
      : [
          'synchronous_standby_names is set as before: commits wait until a standby that was made anew is there',
        ]),
  ];
}
