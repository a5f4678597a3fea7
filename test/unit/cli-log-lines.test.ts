import { expect, test } from '@jest/globals';
import { displayWidth } from '../../src/cli/render/text.js';
import { renderLogLine } from '../../src/cli/render/log-lines.js';
import { Style } from '../../src/cli/render/style.js';
import { createLogger } from '../../src/observe/log.js';

const style = new Style({ colour: false, unicode: true });

function lines(log: (logger: ReturnType<typeof createLogger>) => void, columns = 80): string[] {
  const written: string[] = [];
  log(createLogger({ level: 'info', destination: { write: (line) => void written.push(line) } }));
  return written
    .flatMap((line) => renderLogLine(line, columns, style))
    .map((line) => line.replace(/^\d\d:\d\d:\d\d/, 'TIME'));
}

test('a line of the log is when, how bad and what, without what only machines want', () => {
  const said = lines((logger) => {
    logger.info({ component: 'temporal', taskQueue: 'q' }, 'the worker has begun');
    logger.warn({ activityType: 'archiveSource', attempt: 1, taskToken: 'x' }, 'Activity failed');
  });
  expect(said).toEqual([
    'TIME the worker has begun',
    'TIME warning: Activity failed (activityType archiveSource)',
  ]);
});

test('an error keeps its cause and that one its own, and loses its stack', () => {
  const error = new Error('the dump failed', { cause: new Error('no space left') });
  const said = lines((logger) => logger.error({ error }, 'unexpected error'), 200);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain('error: unexpected error: the dump failed');
  expect(said[0]).toContain('no space left');
  expect(said[0]).not.toMatch(/\bat .*\.ts/);
});

test('a long line breaks between words, none is cut, and its control characters are gone', () => {
  const message = `app/data: ${'a number of words '.repeat(20)}the cause\u001b[2J\u0007`;
  const said = lines((logger) => logger.warn(message), 60);
  expect(Math.max(...said.map(displayWidth))).toBeLessThanOrEqual(60);
  expect(said.map((line) => line.trim()).join(' ')).toContain('words the cause');
  expect(said.join('')).not.toContain('\u001b');
});

test('what is no JSON is shown as it is', () => {
  expect(renderLogLine('panic: out of memory\n', 80, style)).toEqual(['panic: out of memory']);
});
