import { renameArguments } from '../../tar/rename-members.js';
import { postgresSteps } from './instructions-postgres.js';
import type { ArtifactManifest } from '../../format/manifest.js';
import { shellQuote, shellWords } from '../../base/process/shell.js';
import type { Step } from './instruction-step.js';

/** Unpacks what arrives on standard input; the target is added behind. */
export const UNPACK_OPTIONS =
  "--ignore-zeros --numeric-owner --same-owner --same-permissions --xattrs --xattrs-include='*' --acls --delay-directory-restore";
const READ_PARTS = 'cat part-*.tar.zst | zstd -dc';

/** The two halves of the line that unpacks, of parts of ours or of a tar of the old script. */
function unpackLine({ files }: ArtifactManifest): { read: string; options: string } {
  const foreign = files.find((file) => file.foreign !== undefined);
  if (foreign?.foreign === undefined) return { read: READ_PARTS, options: UNPACK_OPTIONS };
  const rename = renameArguments(foreign.foreign.stripPrefix).map(shellQuote);
  return {
    read: `gzip -dc ${shellQuote(foreign.name)}`,
    options: [UNPACK_OPTIONS, ...rename].join(' '),
  };
}

/** The whole document for one artifact. */
export function restoreInstructions(manifest: ArtifactManifest): string {
  const head = [
    `# Restore ${manifest.name} by hand`,
    '',
    `Backup \`${manifest.setId}\` of the source \`${manifest.source}\` of the service \`${manifest.service}\``,
    `(stack \`${manifest.stack}\`), read on host \`${manifest.host}\` from ${manifest.startedAt} to ${manifest.finishedAt}.`,
    `${manifest.totals.entries} entries, ${manifest.totals.contentBytes} bytes of content.`,
    ...inconsistency(manifest),
    ...origin(manifest),
    '',
    `Run the commands as root in a bash shell, in this directory. Needed: \`${decompressor(manifest)}\`, GNU \`tar\`,`,
    '`sha256sum`, and `docker` where it is used below. Stop at the first command that fails.',
  ];
  const steps: readonly Step[] = [
    {
      title: 'Check that nothing is damaged',
      commands: ['set -o pipefail', 'sha256sum -c SHA256SUMS'],
    },
    ...kindSteps(manifest),
  ];
  const body = steps.flatMap(({ title, text, commands }, index) => [
    '',
    `## ${index + 1}. ${title}`,
    ...(text === undefined ? [] : ['', text]),
    ...(commands.length === 0 ? [] : ['', '```bash', ...commands, '```']),
  ]);
  return `${[...head, ...body].join('\n')}\n`;
}

function inconsistency({ consistency }: ArtifactManifest): readonly string[] {
  if (consistency.state === 'consistent') return [];
  return [
    '',
    `**Some entries changed while they were read** (${consistency.changed.length} are named in`,
    '`manifest.json` under `consistency.changed`): they may not fit together.',
  ];
}

function origin({ importedFrom }: ArtifactManifest): readonly string[] {
  if (importedFrom === undefined) return [];
  return [
    '',
    `It was made by the old backup script, as \`${importedFrom}\`, and is kept as it was: times are`,
    'those of its name and file, and what it does not tell is not known here either.',
  ];
}

function decompressor({ importedFrom }: ArtifactManifest): string {
  return importedFrom === undefined ? 'zstd' : 'gzip';
}

function kindSteps(manifest: ArtifactManifest): readonly Step[] {
  switch (manifest.kind) {
    case 'files':
      return filesSteps(manifest);
    case 'volume':
      return volumeSteps(manifest);
    case 'postgres':
      return postgresSteps(manifest);
  }
}

function filesSteps(manifest: ArtifactManifest): readonly Step[] {
  const root = manifest.tree?.root ?? '/';
  const whole =
    manifest.tree?.exclude.length === 0 && manifest.tree.include.every((glob) => glob === '**');
  const target = `${root}.restored`;
  const { read, options } = unpackLine(manifest);
  return [
    {
      title: 'Unpack into a new, empty directory',
      commands: [
        `TARGET=${shellQuote(target)}`,
        'mkdir "$TARGET"',
        `${read} | tar -x ${options} -C "$TARGET"`,
      ],
    },
    whole
      ? {
          title: 'Put it in place',
          text: 'Stop what uses the directory first. The old state is kept beside it; remove it when all is well.',
          commands: [
            `mv ${shellQuote(root)} ${shellQuote(`${root}.before-restore`)}`,
            `mv "$TARGET" ${shellQuote(root)}`,
          ],
        }
      : {
          title: 'Put it in place',
          text:
            `Only a part of \`${root}\` was backed up (see \`tree\` in \`manifest.json\`). ` +
            'This replaces those files and leaves the others as they are. Stop what uses them first.',
          commands: [`cp -a --remove-destination "$TARGET"/. ${shellQuote(root)}/`],
        },
  ];
}

function volumeSteps(manifest: ArtifactManifest): readonly Step[] {
  const volume = manifest.volume ?? {
    name: manifest.name,
    driver: 'local',
    options: {},
    labels: {},
  };
  const name = shellQuote(volume.name);
  const { read, options } = unpackLine(manifest);
  const create = [
    'docker',
    'volume',
    'create',
    '--driver',
    volume.driver,
    ...Object.entries(volume.options).flatMap(([key, value]) => ['--opt', `${key}=${value}`]),
    ...Object.entries(volume.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
    volume.name,
  ];
  return [
    {
      title: 'Stop what uses the volume',
      commands: [
        `docker ps -q --filter ${shellQuote(`volume=${volume.name}`)} | xargs -r docker stop`,
      ],
    },
    {
      title: 'Make the volume',
      text: 'With the driver, options and labels it had. A volume that exists already is left as it is.',
      commands: [shellWords(create)],
    },
    {
      title: 'Move what is in it aside, and unpack',
      text: 'A restore into a volume that is not empty would merge old and new files.',
      commands: [
        `TARGET=$(docker volume inspect --format '{{.Mountpoint}}' ${name})`,
        'mv "$TARGET" "$TARGET.before-restore" && mkdir "$TARGET"',
        `${read} | tar -x ${options} -C "$TARGET"`,
      ],
    },
    {
      title: 'Or, where the mountpoint cannot be reached from the host',
      text:
        'Instead of the step before, into a new or emptied volume, with any image that has GNU tar. ' +
        'Then start what was stopped.',
      commands: [
        'IMAGE=debian:stable-slim',
        `${read} | docker run --rm -i --network none -v ${shellQuote(`${volume.name}:/restore`)} "$IMAGE" tar -x ${options} -C /restore`,
      ],
    },
  ];
}
