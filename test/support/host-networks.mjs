/**
 * What the machine's own networks are: whoever runs the suite has an engine of
 * their own, and must find its networks afterwards as they were.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

/** @returns {Record<string, string>} name of an interface or network → how it is set up */
export function hostNetworks() {
  const found = {};
  for (const name of readdirSync('/sys/class/net')) {
    // Ends of containers' cables, and bridges of networks that come and go.
    if (!/^(veth|br-)/.test(name)) found[`interface ${name}`] = 'there';
  }
  // Those that the engine itself brings: the others come and go with whoever else works on this machine.
  for (const name of ['bridge', 'host', 'none']) {
    const format = '{{.Driver}} {{json .IPAM.Config}}';
    const [network] = docker(['network', 'inspect', '--format', format, name]);
    if (network !== undefined) found[`network ${name}`] = network;
  }
  return found;
}

/**
 * What is not as it was. What came since is left out: others use the engine meanwhile.
 * @returns {string[]} a sentence each
 */
export function changedNetworks(before, after) {
  return Object.entries(before).flatMap(([name, was]) => {
    const is = after[name];
    if (is === was) return [];
    return is === undefined ? [`${name} (${was}) is gone`] : [`${name} was ${was}, is ${is}`];
  });
}

function docker(args) {
  try {
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('docker', args, options)
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
