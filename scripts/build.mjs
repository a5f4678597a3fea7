// Compiles the TypeScript and bundles the workflows once, so that a worker starts without webpack
// and the bundle that runs is the bundle that was tested.
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const tsc = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
chmodSync(path.join(root, 'dist/src/cli/main.js'), 0o755);

const { bundleWorkflowCode } = await import('@temporalio/worker');
const silent = () => undefined;
const { code } = await bundleWorkflowCode({
  workflowsPath: path.join(root, 'dist/workflows/index.js'),
  logger: {
    log: silent,
    trace: silent,
    debug: silent,
    info: silent,
    warn: (message, meta) => console.warn(message, meta ?? ''),
    error: (message, meta) => console.error(message, meta ?? ''),
  },
});
writeFileSync(path.join(root, 'dist/workflow-bundle.js'), code);
