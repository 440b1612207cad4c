/**
 * What stands in the folder of a task that a cluster runs: for each attempt a script, what the trainer says, what it
 * writes on stderr, and its exit code once it has ended. The folder is one that dlv and the workers share. Each
 * attempt has files of its own, so that one that was given up cannot be mistaken for the next.
 */

import path from 'node:path';
import { maxOf } from '../../../base/bytes/many.js';
import {
  listDirectory,
  ReadFile,
  readSmallFile,
  statOrNull,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { JOB_BYTES_MAX } from '../../../base/limits.js';
import { Hearing, type Listener } from '../trainers/hearing.js';
import { SAID_CHARS_MAX, trainerCommand } from '../trainers/run-trainer.js';
import type { TrainingTask } from './executor.js';

/** Bytes of lines that are read at once. */
const PIECE_BYTES = 1024 * 1024;

/** The files of an attempt. */
export interface AttemptFiles {
  script: string;
  lines: string;
  said: string;
  exit: string;
  /** What the cluster itself writes of the job. */
  log: string;
}

export function attemptFiles({ id, job }: TrainingTask, attempt: number): AttemptFiles {
  const of = (end: string): string => path.join(path.dirname(job), `${id}.${attempt}.${end}`);
  return {
    ...{ script: of('sh'), lines: of('jsonl'), said: of('err') },
    ...{ exit: of('exit'), log: of('log') },
  };
}

/** The attempt that was begun last; 0 if none was. */
export async function lastAttempt({ id, job }: TrainingTask): Promise<number> {
  const numbers = (await listDirectory(path.dirname(job))).map((name) => {
    if (!name.startsWith(`${id}.`) || !name.endsWith('.sh')) return 0;
    return Number(name.slice(id.length + 1, -'.sh'.length)) || 0;
  });
  return maxOf(numbers, 0);
}

/** A text as one word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Writes the script of an attempt: with it the attempt has begun, whatever becomes of it. */
export async function writeScript(
  task: TrainingTask,
  attempt: number,
  setup: string | null,
): Promise<AttemptFiles> {
  const files = attemptFiles(task, attempt);
  const name = (file: string): string => quoted(path.basename(file));
  const command = [...trainerCommand(task.trainer), task.job].map(quoted).join(' ');
  const text = [
    '#!/bin/sh',
    `cd ${quoted(path.dirname(task.job))} || exit 97`,
    ...(setup === null ? [] : [setup]),
    `${command} > ${name(files.lines)} 2> ${name(files.said)}`,
    'code=$?',
    `echo "$code" > ${name(`${files.exit}.new`)} && mv ${name(`${files.exit}.new`)} ${name(files.exit)}`,
    'exit "$code"',
    '',
  ].join('\n');
  await writeFileAtomic(files.script, Buffer.from(text));
  return files;
}

/** The exit code of an attempt; null while there is none. */
export async function exitCode({ exit }: AttemptFiles): Promise<number | null> {
  if ((await statOrNull(exit)) === null) return null;
  const text = Buffer.from(await readSmallFile(exit, 64))
    .toString()
    .trim();
  return /^\d{1,3}$/.test(text) ? Number(text) : null;
}

/** The end of a text that somebody wrote; empty if there is none. */
export async function tailOf(file: string): Promise<string> {
  const { bytes } = await readBehind(file, -SAID_CHARS_MAX, SAID_CHARS_MAX);
  return Buffer.from(bytes).toString();
}

/** At most `most` bytes from an offset, which counts from the end below 0; and the size of the file. */
async function readBehind(
  file: string,
  offset: number,
  most: number,
): Promise<{ bytes: Uint8Array; size: number }> {
  const opened = await ReadFile.openIfThere(file);
  if (opened === null) return { bytes: new Uint8Array(0), size: 0 };
  try {
    const { size } = opened;
    const from = Math.min(size, offset < 0 ? Math.max(0, size + offset) : offset);
    const bytes = new Uint8Array(Math.min(most, size - from));
    await opened.readInto(bytes, from);
    return { bytes, size };
  } finally {
    await opened.close();
  }
}

/** Reads lines as they come. */
export class LineReader {
  readonly #file: string;
  readonly #listener: Listener;
  #hearing: Hearing;
  #at = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(file: string, listener: Listener) {
    this.#file = file;
    this.#listener = listener;
    this.#hearing = new Hearing(listener);
  }

  get hearing(): Hearing {
    return this.#hearing;
  }

  /** Reads what came since; a file that begins again is read from its beginning. */
  async read(): Promise<void> {
    for (;;) {
      const { bytes, size } = await readBehind(this.#file, this.#at, PIECE_BYTES);
      if (size < this.#at) {
        this.#begin();
        continue;
      }
      if (bytes.length === 0) return;
      this.#at += bytes.length;
      this.#take(bytes);
    }
  }

  #begin(): void {
    this.#at = 0;
    this.#rest = Buffer.alloc(0);
    this.#hearing = new Hearing(this.#listener);
    this.#listener.restart();
  }

  #take(piece: Uint8Array): void {
    const bytes = Buffer.concat([this.#rest, piece]);
    const end = bytes.lastIndexOf(10) + 1;
    for (const line of bytes.subarray(0, end).toString().split('\n')) this.#hearing.line(line);
    const rest = bytes.subarray(end);
    // A line that has no end is none that a trainer would say.
    this.#rest = rest.length > JOB_BYTES_MAX ? Buffer.alloc(0) : Buffer.from(rest);
  }
}
