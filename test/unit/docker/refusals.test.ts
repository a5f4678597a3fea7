import { describe, expect, it } from '@jest/globals';
import { isPermanentRefusal } from '../../../src/docker/engine/refusals.js';

/** Words of Engine 20.10 to 26.1 and of Compose 1.29 and 2.26, as they print them. */
const PERMANENT: readonly (readonly [string, number?])[] = [
  ['No such image: nothing:latest', 404],
  ['No such volume: gone', 500],
  ['network 6f1c not found', 404],
  [
    `failed to mount local volume: mount /gone:/var/lib/docker/volumes/v/_data, flags: 0x1000: no such file or directory`,
    500,
  ],
  [
    `error while mounting volume '/var/lib/docker/volumes/v/_data': failed to mount local volume: mount :/x:/var/lib/docker/volumes/v/_data, data: addr=127.0.0.1: protocol not supported`,
    500,
  ],
  [`invalid mount config for type "bind": bind source path does not exist: /gone`, 400],
  ['invalid reference format', 400],
  [
    'driver failed programming external connectivity on endpoint p_web_1: Bind for 0.0.0.0:8080 failed: port is already allocated',
    500,
  ],
  [
    'driver failed programming external connectivity on endpoint p_web_1: Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use',
    500,
  ],
  [`Conflict. The container name "/db" is already in use by container "4a"`, 409],
  [
    'error gathering device information while adding custom device "/dev/x": no such file or directory',
    500,
  ],
  ['could not select device driver "" with capabilities: [[gpu]]', 500],
  [`error looking up volume plugin rexray: plugin "rexray" not found`, 500],
  [
    'ERROR: Network proxy declared as external, but could not be found. Please create it and try again.',
  ],
  ['external volume "data" not found'],
  [`ERROR: The Compose file './docker-compose.yml' is invalid because:\nservices.web.image`],
  ['service "web" refers to undefined volume data: invalid compose project'],
  ['yaml: line 3: mapping values are not allowed in this context'],
  [`ERROR: yaml.parser.ParserError: while parsing a block mapping`],
  ["ERROR: Couldn't find env file: /srv/db/.env"],
  ['ERROR: pull access denied for own/image, repository does not exist'],
];

const TRANSIENT: readonly (readonly [string, number?])[] = [
  [
    'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
  ],
  ['context deadline exceeded', 500],
  [
    'failed to create shim: dial unix /run/containerd/containerd.sock: connect: no such file or directory',
    500,
  ],
  [`Get "https://registry.example/v2/": dial tcp: lookup registry.example: no such host`, 500],
  [
    'failed to mount local volume: mount :/x:/v/_data, data: addr=192.0.2.1: connection refused',
    500,
  ],
  ['removal of container 4a is already in progress', 409],
  ['No such exec instance: 4a', 404],
  ['toomanyrequests: You have reached your pull rate limit', 500],
  ['something nobody has seen yet', 500],
  ['Container 4a is not running', 409],
];

describe('a refusal of the engine or of compose', () => {
  it.each(PERMANENT)('is not tried again: %s', (...[text, status]) => {
    expect(isPermanentRefusal(text, status)).toBe(true);
  });

  it.each(TRANSIENT)('is tried again: %s', (...[text, status]) => {
    expect(isPermanentRefusal(text, status)).toBe(false);
  });
});
