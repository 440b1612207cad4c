/** What was asked at the prompt of `dlv query`: beside the user's own settings, the newest last, one line each. */
import path from 'node:path';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { userConfigFile } from './config.js';

/** Lines that are kept. */
const LINES_MAX = 500;
const BYTES_MAX = 4 * 1024 * 1024;

function historyFile(env: NodeJS.ProcessEnv): string {
  return path.join(path.dirname(userConfigFile(env)), 'query-history');
}

/** The lines, the newest last; none where there is no file. @throws {IoError} {LimitError} */
export async function readQueryHistory(env: NodeJS.ProcessEnv): Promise<string[]> {
  try {
    const text = new TextDecoder().decode(await readSmallFile(historyFile(env), BYTES_MAX));
    return text.split('\n').filter((line) => line !== '');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Keeps one more line; one that was asked before moves to the end. Nobody else may read it. @throws {IoError} */
export async function addQueryHistory(env: NodeJS.ProcessEnv, query: string): Promise<void> {
  const line = query.replace(/\s+/g, ' ').trim();
  const before = (await readQueryHistory(env)).filter((one) => one !== line);
  const file = historyFile(env);
  await makeDirectory(path.dirname(file));
  const kept = [...before, line].slice(-LINES_MAX);
  await writeFileAtomic(file, new TextEncoder().encode(`${kept.join('\n')}\n`), 0o600);
}
