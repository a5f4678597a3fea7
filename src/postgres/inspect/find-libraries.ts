/**
 * Are the libraries there that a server loads when it starts? Asked of the file system of its container,
 * or of one of its image: the server itself says it only by not starting.
 */
import path from 'node:path';
import { librariesIn } from '../settings/settings-text.js';

/**
 * Prints the directories that hold PostgreSQL's own libraries, known by plpgsql, and what of the arguments
 * (names without directory and ending) is in none of them: `dir <path>`, `missing <name>`. Nothing where
 * no such directory is found, as in an image of another layout.
 */
const FIND = `
found=
for d in $(pg_config --pkglibdir 2>/dev/null) /usr/lib/postgresql/*/lib /usr/local/lib/postgresql \\
  /usr/lib/postgresql /usr/lib/postgresql[0-9]* /usr/libexec/postgresql[0-9]* /usr/lib64/pgsql /usr/pgsql-*/lib \\
  /opt/bitnami/postgresql/lib /opt/*/postgresql/lib
do
  if [ -e "$d/plpgsql.so" ]; then found="$found $d"; echo "dir $d"; fi
done
[ -n "$found" ] || exit 0
for name in "$@"
do
  at=
  for d in $found
  do
    if [ -e "$d/$name.so" ]; then at=$d; fi
  done
  [ -n "$at" ] || echo "missing $name"
done
`;

/** argv that looks for libraries; for {@link readFound}. */
export function findLibraries(names: readonly string[]): string[] {
  return ['sh', '-c', FIND, 'sh', ...names];
}

export interface FoundLibraries {
  /** Where the server's libraries are. */
  readonly directories: readonly string[];
  readonly missing: readonly string[];
}

/** @param stdout of {@link findLibraries} */
export function readFound(stdout: string): FoundLibraries {
  const lines = stdout.split('\n');
  const after = (word: string): string[] =>
    lines.flatMap((line) => (line.startsWith(word) ? [line.slice(word.length)] : []));
  return { directories: after('dir '), missing: after('missing ') };
}

/**
 * The names of libraries that can be looked for: those in the server's own directory. Pure.
 * @param settings as the configuration files have them, last one wins
 */
export function preloaded(settings: ReadonlyMap<string, string>): string[] {
  const names = librariesIn(settings.get('shared_preload_libraries') ?? '').map((name) =>
    name.replace(/^\$libdir\/(plugins\/)?/, '').replace(/\.so$/, ''),
  );
  // Looked for along a path of their own: nothing is known of these.
  if ((settings.get('dynamic_library_path') ?? '$libdir') !== '$libdir') return [];
  return [...new Set(names.filter((name) => name !== '' && path.posix.basename(name) === name))];
}
