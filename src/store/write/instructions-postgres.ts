import type { Step } from './instruction-step.js';
import type { ArtifactManifest, PostgresInfo, SettingsInfo } from '../../format/manifest.js';
import { shellQuote, shellWords } from '../../base/process/shell.js';

/** Databases every new cluster has: they are filled, not created. */
const BUILT_IN_DATABASES: readonly string[] = ['postgres', 'template1'];

export function postgresSteps(manifest: ArtifactManifest): readonly Step[] {
  const { postgres } = manifest;
  if (postgres === undefined) return [];
  return [
    asideStep(postgres),
    {
      title: 'Start an empty server',
      text: `${wasServer(postgres)}; take the same or a newer version.`,
      commands: [
        shellWords(['docker', 'start', postgres.container]),
        `until ${shellWords(['docker', 'exec', postgres.container, 'pg_isready', '-h', '127.0.0.1', '-U', postgres.user])}; do sleep 1; done`,
      ],
    },
    ...settingsBefore(postgres),
    ...(postgres.format === 'cluster'
      ? [clusterStep(manifest, postgres)]
      : [globalsStep(manifest, postgres), databasesStep(manifest, postgres)]),
    {
      title: 'Gather statistics',
      commands: [
        exec(postgres, false, ['vacuumdb', '-U', postgres.user, '--all', '--analyze-only']),
      ],
    },
    ...settingsAfter(postgres),
  ];
}

/** All but who may log in, which names roles that are not there yet. */
function settingsBefore(postgres: PostgresInfo): Step[] {
  const { settings } = postgres;
  if (settings === undefined || settings.files.length === 0) return [];
  const rest = settings.outside.map(({ path, reason }) => `\`${path}\` (${reason})`).join(', ');
  return [
    {
      title: 'The settings of the server',
      text: [
        `\`${settings.file}\` holds ${settings.files.map((file) => `\`${file}\``).join(', ')} of the data directory.`,
        ...(rest === '' ? [] : [`The server reads these, too, which are not in it: ${rest}.`]),
        'If `archive_mode` is on in them, let it be off until everything is loaded: the new cluster would archive under the names of the old one.',
      ].join(' '),
      commands: [
        unpackSettings(postgres, settings, `--exclude=${settings.hba}`),
        shellWords(['docker', 'restart', postgres.container]),
        `until ${shellWords(['docker', 'exec', postgres.container, 'pg_isready', '-h', '127.0.0.1'])}; do sleep 1; done`,
      ],
    },
  ];
}

function settingsAfter(postgres: PostgresInfo): Step[] {
  const { settings } = postgres;
  if (settings?.files.includes(settings.hba) !== true) return [];
  return [
    {
      title: 'Who may log in',
      commands: [
        unpackSettings(postgres, settings, settings.hba),
        shellWords(['docker', 'restart', postgres.container]),
      ],
    },
  ];
}

/** As the owner of the data directory; the image sets PGDATA where it is not this one. */
function unpackSettings(postgres: PostgresInfo, { file }: SettingsInfo, what: string): string {
  const script =
    'cd "${PGDATA:-/var/lib/postgresql/data}" && tar -xf - "$1" && chown -R "$(stat -c %u:%g .)" .';
  return `zstd -dc ${fileName(file)} | ${exec(postgres, true, ['sh', '-c', script, 'sh', what])}`;
}

/** What a script of the old backups says of its server may be nothing. */
function wasServer({ serverVersion, image }: PostgresInfo): string {
  const version =
    serverVersion === '' ? 'PostgreSQL of an unknown version' : `PostgreSQL ${serverVersion}`;
  return image === '' ? `It was ${version}` : `It was ${version} in the image \`${image}\``;
}

function asideStep({ container, data }: PostgresInfo): Step {
  const title = 'Stop the server and move its data aside';
  const stop = shellWords(['docker', 'stop', container]);
  switch (data.type) {
    case 'bind':
      return {
        title,
        commands: [
          stop,
          shellWords(['mv', data.path, `${data.path}.before-restore`]),
          shellWords(['mkdir', data.path]),
        ],
      };
    case 'volume':
      return {
        title,
        text: 'On a new machine there is nothing to move: let the container create its volume.',
        commands: [
          stop,
          `DATA=$(docker volume inspect --format '{{.Mountpoint}}' ${shellQuote(data.volume.name)})`,
          'mv "$DATA" "$DATA.before-restore" && mkdir "$DATA"',
        ],
      };
    case 'unknown':
      return {
        title,
        text: 'Where the server kept its data is not known: move its data directory aside yourself, so that it starts empty.',
        commands: [stop],
      };
  }
}

function globalsStep(manifest: ArtifactManifest, postgres: PostgresInfo): Step {
  const globals = manifest.files.find(({ role }) => role === 'globals')?.name ?? 'globals.sql.zst';
  return {
    title: 'Roles and tablespaces',
    text: [
      `The role \`${postgres.user}\` exists in a new server already; the line that creates it is left out.`,
      ...(postgres.tablespaces.length === 0
        ? []
        : [
            `Before this, make the directories of the tablespaces ${postgres.tablespaces.join(', ')} (\`zstd -dc ${globals} | grep TABLESPACE\` shows them), empty and owned by the server's user.`,
          ]),
    ].join(' '),
    commands: [
      `zstd -dc ${fileName(globals)} | ${withoutBootstrapRole(postgres)} | ${psql(postgres)}`,
    ],
  };
}

function databasesStep(manifest: ArtifactManifest, postgres: PostgresInfo): Step {
  const databases = manifest.files.filter(({ role }) => role === 'database');
  return {
    title: 'Databases, in this order',
    ...(postgres.notDumped.length === 0
      ? {}
      : {
          text: `Not in this backup: ${postgres.notDumped.map(({ name, reason }) => `\`${name}\` (${reason})`).join(', ')}.`,
        }),
    commands: databases.flatMap(({ name, database }) => {
      const target = database ?? name.replace(/\.dump(\.zst)?$/, '');
      const restore = ['pg_restore', '-U', postgres.user, '--exit-on-error'];
      if (BUILT_IN_DATABASES.includes(target)) {
        return [fed(name, exec(postgres, true, [...restore, '-d', target]))];
      }
      return [
        exec(postgres, false, ['dropdb', '-U', postgres.user, '--if-exists', '--', target]),
        fed(name, exec(postgres, true, [...restore, '-d', 'postgres', '--create'])),
      ];
    }),
  };
}

/** Archives written before zstd was put around them are read as they are. */
function fed(name: string, command: string): string {
  return name.endsWith('.zst')
    ? `zstd -dc ${fileName(name)} | ${command}`
    : `${command} < ${fileName(name)}`;
}

function clusterStep(manifest: ArtifactManifest, postgres: PostgresInfo): Step {
  const file = manifest.files.find(({ role }) => role === 'cluster')?.name ?? 'cluster.sql.zst';
  const own = postgres.databases
    .map(({ name }) => name)
    .filter((name) => !BUILT_IN_DATABASES.includes(name));
  return {
    title: 'Roles and all databases',
    text: `The role \`${postgres.user}\` exists in a new server already; the line that creates it is left out.`,
    commands: [
      // The image may have made a database of its own (POSTGRES_DB), which the script creates again.
      ...own.map((name) =>
        exec(postgres, false, ['dropdb', '-U', postgres.user, '--if-exists', '--', name]),
      ),
      `${file.endsWith('.zst') ? 'zstd -dc' : 'cat'} ${fileName(file)} | ${withoutBootstrapRole(postgres)} | ${psql(postgres)}`,
    ],
  };
}

/** Only the first such line: further down it could be data of a table. */
function withoutBootstrapRole({ user }: PostgresInfo): string {
  const quoted = `"${user.replace(/"/g, '""')}"`;
  const names = [user, quoted]
    .map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
    .join('|');
  return `LC_ALL=C sed -E ${shellQuote(`0,/^CREATE ROLE (${names});$/{//d}`)}`;
}

function psql(postgres: PostgresInfo): string {
  return exec(postgres, true, [
    'psql',
    '-X',
    '-q',
    '-v',
    'ON_ERROR_STOP=1',
    '-U',
    postgres.user,
    '-d',
    'postgres',
  ]);
}

function exec(postgres: PostgresInfo, input: boolean, command: readonly string[]): string {
  return shellWords(['docker', 'exec', ...(input ? ['-i'] : []), postgres.container, ...command]);
}

/** A name that could be taken for an option is given with its directory. */
function fileName(name: string): string {
  return shellQuote(name.startsWith('-') ? `./${name}` : name);
}
