// Compiles TypeScript to dist/ and bundles the workflows once, so that a worker starts without
// webpack and the bundle that runs is the bundle that was tested. Types are checked apart
// (`npm run typecheck`): set-up must not wait for that. `--no-bundle` leaves the bundle out.
import { chmodSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformFile } from '@swc/core';
import { bundleWorkflowCode } from '@temporalio/worker';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(root, `dist.${process.pid}.tmp`);

function* sources(directory) {
  for (const entry of readdirSync(path.join(root, directory), { withFileTypes: true })) {
    const name = `${directory}/${entry.name}`;
    if (entry.isDirectory()) yield* sources(name);
    else if (name.endsWith('.ts')) yield name;
  }
}

const names = ['src', 'workflows', 'activities', 'demo', 'bench'].flatMap((directory) => [
  ...sources(directory),
]);
await Promise.all(
  names.map(async (name) => {
    const { code, map } = await transformFile(path.join(root, name), {
      jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
      module: { type: 'es6' },
      sourceMaps: true,
    });
    const file = path.join(target, name.replace(/\.ts$/, '.js'));
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `${code}\n//# sourceMappingURL=${path.basename(file)}.map\n`);
    writeFileSync(`${file}.map`, map);
  }),
);
chmodSync(path.join(target, 'src/cli/main.js'), 0o755);

if (!process.argv.includes('--no-bundle')) {
  const silent = () => undefined;
  const { code } = await bundleWorkflowCode({
    workflowsPath: path.join(target, 'workflows/index.js'),
    logger: {
      log: silent,
      trace: silent,
      debug: silent,
      info: silent,
      warn: (message, meta) => console.warn(message, meta ?? ''),
      error: (message, meta) => console.error(message, meta ?? ''),
    },
  });
  writeFileSync(path.join(target, 'workflow-bundle.js'), code);
}

// Whole or not at all: somebody may be starting from dist/ at this moment.
rmSync(path.join(root, 'dist'), { recursive: true, force: true });
renameSync(target, path.join(root, 'dist'));
