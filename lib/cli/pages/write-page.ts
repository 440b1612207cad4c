/** `--html [file]`: the flag, and what becomes of a page. */
import path from 'node:path';
import { Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { Run } from '../run.js';
import type { PageOrigin } from './frame/frame.js';

/** Value of the flag: a file, or true where none was named. */
export type HtmlFlag = string | true;

/** The flag of a command. */
export function htmlOption(verb: string): Option {
  return new Option(
    '--html [file]',
    `write a page to look at in a browser: one file that loads nothing (default: dlv-${verb}.html; - is stdout)`,
  );
}

/** Where a page goes. @throws {UsageError} for what is more probably an operand. */
export function pageFile(flag: HtmlFlag, verb: string): string {
  if (flag === true) return `dlv-${verb}.html`;
  if (flag === '-' || /\.html?$/i.test(flag)) return flag;
  throw new UsageError(`--html takes a file whose name ends in .html, not '${flag}'`, {
    option: '--html',
    hint: `write the operand before it: dlv ${verb} ${flag} --html`,
  });
}

/** Makes a page and writes it; `make` is told where it comes from. */
export async function writePage(
  run: Run,
  { verb, flag }: { verb: string; flag: HtmlFlag },
  make: (origin: PageOrigin) => string,
): Promise<void> {
  const file = pageFile(flag, verb);
  const { about } = await import('../../use/ops/about.js');
  const { version } = await about();
  const text = make({ dlv: version, repository: run.repositoryName(), command: run.argv });
  run.context.progress.finish();
  if (file === '-') {
    if (!run.ui.json) await run.ui.bytes(Buffer.from(text));
    return;
  }
  const { writeReport } = await import('../../use/ops/report.js');
  await writeReport(file, text, run.context);
  run.ui.note(`the page is in '${path.normalize(file)}'`);
}
