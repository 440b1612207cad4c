/**
 * Programs that are started by name: which file that is, and why one does not start.
 *
 * What the system says when a program does not start is a number that may be about another place: a folder of PATH
 * that may not be looked into turns "there is none" into "permission is denied". So the places are looked at again.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import { meaningOf } from '../io.js';
import { statThrough } from '../places/user-paths.js';

/** Where the C library looks if there is no PATH. */
const USUAL_PATH = '/bin:/usr/bin';
const FIRST_LINE_BYTES = 512;

export interface ProgramPlace {
  /** Folder in which the program is to run, absolute. */
  cwd: string;
  /** Environment that it gets; its PATH counts. */
  env: NodeJS.ProcessEnv;
}

/** What was found for the name of a program. */
interface Sought {
  /** The file that the system would execute; null if there is none. */
  program: string | null;
  /** Files with that name which may not be executed. */
  plain: string[];
  /** Places that may not be looked at. */
  denied: string[];
  /** True if a folder has this name. */
  isFolder: boolean;
}

/** Looks where the system looks: a name with '/' is a path, another one is in a folder of PATH. */
async function seek(word: string, { cwd, env }: ProgramPlace): Promise<Sought> {
  const sought: Sought = { program: null, plain: [], denied: [], isFolder: false };
  const folders = word.includes('/') ? [''] : (env.PATH ?? USUAL_PATH).split(path.delimiter);
  for (const folder of folders) {
    const file = path.resolve(cwd, folder, word);
    const { kind } = await statThrough(file).catch(() => ({ kind: 'nothing' }));
    if (kind === 'folder') sought.isFolder = true;
    else if (kind === 'denied') sought.denied.push(folder === '' ? file : path.dirname(file));
    else if (kind === 'file' && (await mayExecute(file))) return { ...sought, program: file };
    else if (kind === 'file') sought.plain.push(file);
  }
  return sought;
}

function mayExecute(file: string): Promise<boolean> {
  return fs.access(file, fs.constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The file of a program as the system finds it; null if it does not. */
export async function findProgram(word: string, place: ProgramPlace): Promise<string | null> {
  return word === '' ? null : (await seek(word, place)).program;
}

/** A program that did not start. The message says why. */
export class NotStarted extends Error {
  readonly program: string;
  /** Why, without the name. */
  readonly why: string;
  /** What may help; null if nothing is known. */
  readonly hint: string | null;
  /** True if there is no such program. */
  readonly isAbsent: boolean;

  override readonly name = 'NotStarted';

  constructor(program: string, { why, hint, isAbsent = false }: Reason, cause: unknown) {
    super(`'${program}' cannot be started: ${why}`, { cause });
    this.program = program;
    this.why = why;
    this.hint = hint ?? null;
    this.isAbsent = isAbsent;
  }
}

interface Reason {
  why: string;
  hint?: string;
  isAbsent?: boolean;
}

/**
 * Starts a program. Nothing of it is lost to who listens right after: it has only just been started.
 * @throws {NotStarted}, and AbortError if `options.signal` says so
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  try {
    // Some errors are thrown, others come as an event.
    const child = spawn(program, args, options);
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return child;
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    const { cwd = process.cwd(), env = process.env } = options;
    const place = { cwd: path.resolve(String(cwd)), env };
    throw new NotStarted(program, await reasonOf(program, error, place), error);
  }
}

async function reasonOf(word: string, error: unknown, place: ProgramPlace): Promise<Reason> {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (word === '') return { why: 'there is no such program', isAbsent: true };
  if (code === 'E2BIG') return { why: 'its arguments and environment are longer than may be' };
  if (!/^(ENOENT|EACCES|ENOTDIR|ELOOP|ENOEXEC|ENAMETOOLONG)$/.test(code)) {
    return { why: meaningOf(code) ?? message };
  }
  if ((await statThrough(place.cwd).catch(() => null))?.kind !== 'folder') {
    return { why: `the folder '${place.cwd}', in which it is to run, cannot be entered` };
  }
  if (process.platform === 'win32') {
    return code === 'ENOENT'
      ? { why: 'there is no such program', isAbsent: true }
      : { why: message };
  }
  const sought = await seek(word, place);
  if (sought.program !== null) return refusal(sought.program, code);
  const [plain] = sought.plain;
  if (plain !== undefined) {
    return {
      why: word.includes('/') ? 'it is not executable' : `'${plain}' is not executable`,
      hint: `make it executable: chmod +x '${plain}'; or name the program that reads it before it`,
    };
  }
  return word.includes('/') ? absentFile(word, sought) : absentProgram(word, sought, place);
}

function absentFile(word: string, { isFolder, denied }: Sought): Reason {
  if (isFolder) return { why: 'it is a folder', isAbsent: true };
  if (denied.length > 0) return { why: 'a folder on the way to it may not be looked into' };
  return { why: 'there is no such file', isAbsent: !word.endsWith('/') };
}

async function absentProgram(
  word: string,
  { denied }: Sought,
  { cwd }: ProgramPlace,
): Promise<Reason> {
  const [first] = denied;
  const unseen =
    first === undefined ? '' : `; '${first}', which PATH names, may not be looked into`;
  const { kind } = await statThrough(path.join(cwd, word)).catch(() => ({ kind: 'nothing' }));
  return {
    why: `there is no such program${unseen}`,
    isAbsent: true,
    ...(kind === 'file' && word !== ''
      ? { hint: `there is a file '${word}' here: write './${word}'` }
      : {}),
  };
}

/** Why a file that may be executed did not start: what it needs is missing. */
async function refusal(file: string, code: string): Promise<Reason> {
  const interpreter = await interpreterOf(file);
  if (interpreter !== null) {
    const { kind } = await statThrough(interpreter).catch(() => ({ kind: 'nothing' }));
    const why = kind === 'nothing' ? 'is not there' : 'may not be executed';
    return {
      why: `the first line of '${file}' names '${interpreter}', which ${why}`,
      hint: 'correct that line, or name a program that reads the file before it',
    };
  }
  if (code === 'ENOENT') {
    return { why: `'${file}' is made for another system: what loads it is not there` };
  }
  return { why: `the system does not execute '${file}' (${code})` };
}

/** The program that the first line of a script names; null if there is none. */
async function interpreterOf(file: string): Promise<string | null> {
  const handle = await fs.open(file).catch(() => null);
  if (handle === null) return null;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FIRST_LINE_BYTES));
    const [line = ''] = buffer.toString('latin1', 0, bytesRead).split('\n');
    return /^#!\s*(\S+)/.exec(line)?.[1] ?? null;
  } catch {
    return null;
  } finally {
    await handle.close();
  }
}
