import { rmSync } from 'node:fs';

/** Ends the run's Temporal server. */
export default async function tearDown() {
  await globalThis.__holdfastDevServer?.stop();
  const state = process.env['HOLDFAST_STATE_DIR'];
  if (state !== undefined) rmSync(state, { recursive: true, force: true });
}
