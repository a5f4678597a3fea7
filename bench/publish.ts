/** A report's table into the documentation, between two marks. */
import { readFile, writeFile } from 'node:fs/promises';
import { renderForDocs } from './render.js';
import { reportSchema } from './report.js';

const BEGIN = '<!-- table -->';
const END = '<!-- /table -->';

/** @throws when the report is none or not whole, or the page lacks the marks */
export async function publish(reportFile: string, page: string): Promise<void> {
  const report = reportSchema.parse(JSON.parse(await readFile(reportFile, 'utf8')));
  if (!report.complete) throw new Error(`${reportFile} is of a run that was interrupted`);
  if (report.failures.length > 0) {
    throw new Error(`${reportFile} has ${report.failures.length} failures: it is no result`);
  }
  await writeFile(page, replaceBetweenMarks(await readFile(page, 'utf8'), renderForDocs(report)));
}

export function replaceBetweenMarks(page: string, content: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${content}\n\n${page.slice(end)}`;
}
