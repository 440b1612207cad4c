/**
 * The process of the built-in trainer: `node built-in-main.js job.json`. It says what happens in JSON lines, ends
 * between two steps on SIGTERM and SIGINT, and with exit code 1 if the job cannot be carried out.
 */
import path from 'node:path';
import { DlvError } from '../../../base/errors.js';
import { readSmallFile } from '../../../base/files/files.js';
import { JOB_BYTES_MAX } from '../../../base/limits.js';
import { trainBuiltIn } from '../built-in.js';
import { readJob } from '../job.js';
import type { Message } from '../messages.js';

function say(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const file = path.resolve(process.argv[2] ?? '');
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
try {
  const text = Buffer.from(await readSmallFile(file, JOB_BYTES_MAX)).toString();
  const job = readJob(JSON.parse(text));
  await trainBuiltIn(job, { folder: path.dirname(file), signal: stop.signal, say });
} catch (error) {
  const { message } = error as Error;
  const hint = error instanceof DlvError ? error.data.hint : undefined;
  const told = typeof hint === 'string' ? `${message}; ${hint}` : message;
  say({ event: 'end', state: 'failed', iteration: 0, time: 0, message: told });
  process.exitCode = 1;
}
