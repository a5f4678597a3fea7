/**
 * Which refusals of the engine and of compose will be the same a minute later. The engine answers 500 for
 * a mount that can't be made as for a daemon that is only just starting, so it is told by the words. What
 * is not known is tried again: a retry too many costs minutes, one too few the night. Pure.
 */

/** Somebody does not answer (yet): the daemon, containerd, a registry, a file server. */
const TRANSIENT: readonly RegExp[] = [
  /deadline exceeded|context cancell?ed|request cancell?ed|client\.timeout/i,
  /timed out|i\/o timeout|handshake timeout|timeout exceeded/i,
  /connection (refused|reset|aborted)|broken pipe|unexpected EOF|transport is closing|ttrpc: closed/i,
  /\bdial (unix|tcp|udp)\b|cannot connect to the docker daemon|is the docker daemon running/i,
  /no route to host|network is unreachable|host is (down|unreachable)/i,
  /no such host|server misbehaving|temporary failure|temporarily unavailable/i,
  /too many requests|toomanyrequests|service unavailable|bad gateway|gateway time-?out/i,
  /device or resource busy|already in progress|shutting down/i,
];

/** What a mount that can't be made is refused with by the kernel. */
const MOUNT_REFUSED =
  'no such file or directory|no such device|not a directory|invalid argument|permission denied|operation not permitted|not supported|wrong fs type|block device required|unknown filesystem';

const PERMANENT: readonly RegExp[] = [
  // Things that are not there.
  /no such (image|volume|network|service|plugin)\b/i,
  /(network|volume|plugin|image|manifest|secret|config) \S+ (was )?not found/i,
  /declared as external, but could not be found/i,
  /manifest unknown|pull access denied|repository does not exist|image \S+ not found|has been removed. Continue with/i,
  /unable to find image/i,
  // Mounts.
  /invalid mount config|invalid volume specification|bind source path does not exist|invalid bind mount/i,
  new RegExp(`failed to mount local volume.*(${MOUNT_REFUSED})`, 'is'),
  new RegExp(`error while mounting volume.*(${MOUNT_REFUSED})`, 'is'),
  /are you trying to mount a directory onto a file/i,
  // Devices, runtimes, programs.
  /error gathering device information.*no such file or directory/is,
  /could not select device driver|unknown or invalid runtime|unknown runtime/i,
  /executable file not found|exec format error|unable to find user|no matching entries in passwd/i,
  // Names, ports, addresses that others have.
  /port is already allocated|address already in use|ports are not available/i,
  /container name \S+ is already in use|name \S+ is already in use/i,
  /pool overlaps with other one|non-overlapping IPv4 address pool|user specified IP address is supported only/i,
  // What was written wrongly.
  /invalid reference format|invalid (container|volume) name|invalid (host)?port|invalid containerport/i,
  /cannot (join|start service).*no such container|driver not supported|unknown log opt|invalid cpuset/i,
  /the compose file .* is invalid|invalid compose project|unsupported config option/i,
  /additional property|yaml: |yaml\.(scanner|parser)|version in .* is unsupported|top[- ]level object must be/i,
  /invalid interpolation format|required variable|is missing a value|undefined (service|volume|network)/i,
  /which is undefined|no declaration was found|must be a (mapping|string|list)|contains an invalid type/i,
  /couldn't find env file|env file \S+ not found|no configuration file provided/i,
  /in file .*docker-compose|validating .*\.ya?ml|services\.\S+ (must|contains|value)/i,
];

/** Answers that are about the question: it will get the same answer again. */
const ABOUT_THE_QUESTION = new Set([400, 401, 403, 404, 405, 501]);

/**
 * Will the same call be refused in the same way?
 * @param text the engine's or compose's words
 * @param status of the engine's answer, where there was one
 */
export function isPermanentRefusal(text: string, status?: number): boolean {
  if (TRANSIENT.some((pattern) => pattern.test(text))) return false;
  // A command whose container was started anew under it.
  if (/no such exec/i.test(text)) return false;
  if (status !== undefined && ABOUT_THE_QUESTION.has(status)) return true;
  return PERMANENT.some((pattern) => pattern.test(text));
}
