/** What an attempt saved last is what the next one of the same activity begins with. */
import { expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { withHeartbeat, type Checkpoint } from '../../activities/shared/runtime.js';

const subject = { service: 'app', source: 'data' };

function attempt(
  heartbeatDetails: unknown,
  work: (checkpoint: Checkpoint) => void,
): Promise<unknown[]> {
  const env = new MockActivityEnvironment({ attempt: 2, heartbeatDetails });
  const beats: unknown[] = [];
  env.on('heartbeat', (details: unknown) => beats.push(details));
  return env
    .run(() =>
      withHeartbeat(subject, 'verify', async (_work, checkpoint) => {
        work(checkpoint);
        await new Promise((resolve) => setTimeout(resolve, 2_100));
      }),
    )
    .then(() => beats);
}

test('a checkpoint travels with the heartbeats, from attempt to attempt', async () => {
  const first = await attempt(undefined, ({ earlier, save }) => {
    expect(earlier).toBeUndefined();
    save({ hashed: 3 });
  });
  expect(first.at(-1)).toMatchObject({ ...subject, checkpoint: { hashed: 3 } });
  // One that dies before it saves anything passes on what it was given.
  const second = await attempt(first.at(-1), ({ earlier }) => {
    expect(earlier).toEqual({ hashed: 3 });
  });
  expect(second[0]).toMatchObject({ checkpoint: { hashed: 3 } });
}, 15_000);

test('heartbeats of earlier versions have none, and stop nobody', async () => {
  const beats = await attempt({ ...subject, phase: 'verify', bytes: 7 }, ({ earlier }) => {
    expect(earlier).toBeUndefined();
  });
  expect(beats[0]).not.toHaveProperty('checkpoint');
}, 15_000);
