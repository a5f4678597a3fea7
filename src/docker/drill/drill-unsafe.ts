/**
 * What a copy of a service must not be given beside the real one: the host's own network, processes and
 * devices. A drill does not start such a service, and says so, rather than start it crippled. Pure.
 */
import type { ComposeServiceConfig } from './drill-compose-schema.js';

/** With these a container changes more than itself. */
const HOST_CAPABILITIES = new Set([
  'ALL',
  'BPF',
  'DAC_READ_SEARCH',
  'MKNOD',
  'PERFMON',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_TIME',
]);

/** Why a copy must not be started, or undefined. */
export function unsafeReason(service: ComposeServiceConfig): string | undefined {
  const { network_mode: network = '' } = service;
  if (network === 'host') return 'it uses the host’s network, where the real one listens';
  if (network.startsWith('container:'))
    return 'it uses the network of a container of the real stack';
  if (!['', 'none', 'bridge', 'default'].includes(network) && !network.startsWith('service:')) {
    return `its network_mode ${network} is not known`;
  }
  for (const key of ['pid', 'ipc', 'uts', 'cgroup', 'userns_mode'] as const) {
    const value = service[key];
    if (value === 'host' || value?.startsWith('container:') === true) {
      return `it shares ${key} with ${value === 'host' ? 'the host' : 'a container of the real stack'}`;
    }
  }
  if (service.privileged === true) return 'it is privileged';
  if ((service.devices ?? []).length > 0) return 'it uses devices of the host';
  if ((service.device_cgroup_rules ?? []).length > 0) return 'it uses devices of the host';
  if ((service.deploy?.resources?.reservations?.devices ?? []).length > 0) {
    return 'it uses devices of the host, such as a GPU';
  }
  if (service.gpus !== undefined && service.gpus !== null) return 'it uses the host’s GPU';
  const { runtime } = service;
  if (runtime !== undefined && runtime !== 'runc') return `it runs in ${runtime}`;
  const from = service.volumes_from?.find((one) => one.startsWith('container:'));
  if (from !== undefined) return 'it mounts the volumes of a container of the real stack';
  const capability = service.cap_add?.find((one) =>
    HOST_CAPABILITIES.has(one.toUpperCase().replace(/^CAP_/, '')),
  );
  return capability === undefined ? undefined : `it has the capability ${capability}`;
}

/** Directories of the host that no copy may mount, not even read-only: sockets and devices are in them. */
const HOST_DIRECTORIES = ['/dev', '/proc', '/sys', '/run', '/var/run', '/var/lib/docker', '/boot'];

/** Why a path of the host must not be mounted, by its name; undefined where it may be looked at. */
export function unsafePath(path: string): string | undefined {
  const clean = path.replace(/\/+$/, '') || '/';
  if (clean === '/') return 'all of the host';
  const bad = HOST_DIRECTORIES.find(
    (directory) =>
      clean === directory || clean.startsWith(`${directory}/`) || directory.startsWith(`${clean}/`),
  );
  return bad === undefined ? undefined : `${bad} belongs to the host`;
}
