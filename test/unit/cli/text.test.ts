import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  displayWidth,
  oneLine,
  padEnd,
  padStart,
  truncate,
  wrap,
} from '../../../src/cli/render/text.js';
import { naturalWidth, renderTable, type Column } from '../../../src/cli/render/table.js';

const RED = '\u001b[31mred\u001b[39m';

describe('width', () => {
  test('does not count colours', () => expect(displayWidth(RED)).toBe(3));
  test('counts Cyrillic once and Chinese twice', () => {
    expect(displayWidth('том')).toBe(3);
    expect(displayWidth('数据')).toBe(4);
  });
  test('counts a combining accent with its letter', () => {
    expect(displayWidth('e\u0301')).toBe(1);
  });
});

describe('truncate', () => {
  test('leaves what fits alone', () => expect(truncate(RED, 3)).toBe(RED));
  test('never is wider than asked, whatever it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme' }),
        fc.integer({ min: 1, max: 20 }),
        (text, width) => {
          expect(displayWidth(truncate(oneLine(text), width))).toBeLessThanOrEqual(width);
        },
      ),
    );
  });
  test('closes a colour it cuts', () => {
    expect(truncate('\u001b[31mred and more\u001b[39m', 5)).toBe('\u001b[31mred \u001b[0m…');
  });
});

test('oneLine: what a database wrote cannot move our cursor or break a line', () => {
  expect(oneLine('a\u001b[2Jb\r\nc\u0007d')).toBe('ab c d');
});

test('padding goes by what is seen', () => {
  expect(padEnd(RED, 5)).toBe(`${RED}  `);
  expect(padStart('数', 4)).toBe('  数');
});

describe('wrap', () => {
  test('breaks between words and keeps a word that is too long whole', () => {
    expect(wrap('one two /a/very/long/path x', 8)).toEqual(['one two', '/a/very/long/path', 'x']);
  });
});

describe('table', () => {
  interface Row {
    readonly name: string;
    readonly size: string;
  }
  const columns: Column<Row>[] = [
    { title: 'NAME', cell: ({ name }) => name, shrinks: true },
    { title: 'SIZE', cell: ({ size }) => size, align: 'right' },
  ];
  const rows = [
    { name: 'mlopsnew_prometheus_data_new', size: '3.1 GiB' },
    { name: 'x', size: '12 B' },
  ];

  test('lines up, without trailing spaces', () => {
    expect(renderTable(columns, rows, { columns: 80 })).toEqual([
      'NAME                             SIZE',
      'mlopsnew_prometheus_data_new  3.1 GiB',
      'x                                12 B',
    ]);
    expect(naturalWidth(columns, rows)).toBe(37);
  });

  test('gives way in the column that may, never in the numbers', () => {
    const lines = renderTable(columns, rows, { columns: 20 });
    expect(lines[1]).toBe('mlopsnew_p…  3.1 GiB');
    expect(Math.max(...lines.map(displayWidth))).toBe(20);
  });

  test('has a header even without rows', () => {
    expect(renderTable(columns, [], { columns: 80 })).toEqual(['NAME  SIZE']);
  });
});
