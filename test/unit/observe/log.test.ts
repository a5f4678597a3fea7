import { describe, expect, test } from '@jest/globals';
import { createLogger } from '../../../src/observe/log.js';
import { redact, REDACTED, redactText } from '../../../src/base/redact.js';

function logging(level?: string): {
  lines: () => Record<string, unknown>[];
  logger: ReturnType<typeof createLogger>;
} {
  const written: string[] = [];
  const logger = createLogger({ level, destination: { write: (text) => void written.push(text) } });
  return {
    logger,
    lines: () => written.map((text) => JSON.parse(text) as Record<string, unknown>),
  };
}

describe('redaction', () => {
  test('hides secrets by field name at any depth, and in lists', () => {
    const copy = redact({
      password: 'a',
      nested: { deep: [{ apiKey: 'b', PGPASSWORD: 'c', Authorization: 'd' }] },
      user: 'postgres',
    });
    expect(copy).toEqual({
      password: REDACTED,
      nested: { deep: [{ apiKey: REDACTED, PGPASSWORD: REDACTED, Authorization: REDACTED }] },
      user: 'postgres',
    });
  });

  test('keeps the fields that only say where a secret is', () => {
    const fields = { passwordFile: '/run/secrets/pg', urlEnv: 'HOOK', urlFile: '/etc/hook' };
    expect(redact(fields)).toEqual(fields);
  });

  test('shows only the origin of a URL field: the path of a webhook is its password', () => {
    expect(redact({ url: 'https://hooks.example/T000/B000/secret' })).toEqual({
      url: 'https://hooks.example/…',
    });
  });

  test('hides the password of a connection string in a text', () => {
    expect(redactText('cannot reach postgres://app:hunter2@db:5432/x')).toBe(
      'cannot reach postgres://app:***@db:5432/x',
    );
  });

  test('ends with an object that contains itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(() => redact(loop)).not.toThrow();
  });
});

describe('structured log', () => {
  test('writes one JSON object a line, with level and time as words', () => {
    const { logger, lines } = logging();
    logger.info({ setId: '20241212_010000' }, 'published');
    expect(lines()).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-.*Z$/),
        setId: '20241212_010000',
        msg: 'published',
      },
    ]);
  });

  test('never prints a password, nor one inside an error', () => {
    const { logger, lines } = logging();
    const error = Object.assign(new Error('refused'), { password: 'hunter2' });
    logger.error({ err: error, token: 'hunter2' }, 'failed');
    expect(JSON.stringify(lines())).not.toContain('hunter2');
    expect(lines()[0]).toMatchObject({ err: { message: 'refused', type: 'Error' } });
  });

  test('keeps working with an unknown level, and says so', () => {
    const { logger, lines } = logging('loud');
    logger.info('hello');
    expect(lines().map((line) => line['msg'])).toEqual([
      'unknown HOLDFAST_LOG_LEVEL, using info',
      'hello',
    ]);
  });

  test('respects the level', () => {
    const { logger, lines } = logging('warn');
    logger.info('no');
    logger.warn('yes');
    expect(lines()).toHaveLength(1);
  });
});
