import { rmSync } from 'node:fs';
import { changedNetworks, hostNetworks } from './host-networks.mjs';

/** Ends the run's Temporal server, and fails the run where a test changed the machine's networks. */
export default async function tearDown() {
  await globalThis.__holdfastDevServer?.stop();
  const state = process.env['HOLDFAST_STATE_DIR'];
  if (state !== undefined) rmSync(state, { recursive: true, force: true });
  const changed = changedNetworks(globalThis.__holdfastNetworks ?? {}, hostNetworks());
  if (changed.length > 0) {
    throw new Error(`the tests changed the networks of this machine: ${changed.join('; ')}`);
  }
}
