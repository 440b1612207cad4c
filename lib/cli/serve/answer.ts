/** One command run for a page: the document that it prints, on one line, and what it warned of. */
import type { DlvError } from '../../base/errors.js';
import { noProgress } from '../../use/progress.js';
import { runCli } from '../main.js';
import type { Stdio } from '../output/stdio.js';
import { escapeJson } from '../output/terminal.js';
import { withWarnings } from '../run.js';
import type { Answer } from './messages.js';

/** What is said besides the document is for people at a terminal. */
const SILENT: Stdio = {
  write: () => true,
  once: (_event, listener) => listener(),
  closed: false,
  isTTY: false,
};

/** A document as a line: what `--json` prints, without its line breaks. */
export function lineOf(document: object): string {
  const plain = (_key: string, item: unknown): unknown =>
    typeof item === 'bigint' ? String(item) : item;
  return escapeJson(JSON.stringify(document, plain));
}

/** Runs a command line that asks for JSON. */
export async function answer(
  argv: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<Answer> {
  const warnings: string[] = [];
  let found: object = {};
  const code = await runCli({
    ...{ argv, cwd, signal, env: process.env, stdin: null, stdout: SILENT, stderr: SILENT },
    asker: {
      document: (document) => {
        found = withWarnings(document, warnings);
      },
      error: (error: DlvError) => {
        found = { error: error.toJSON(), warnings };
      },
      warn: (message) => warnings.push(message),
      data: null,
      progress: noProgress,
    },
  });
  return { code, text: lineOf(found), warnings };
}
