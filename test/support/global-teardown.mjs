/** Ends the run's Temporal server. */
export default async function tearDown() {
  await globalThis.__holdfastDevServer?.stop();
}
