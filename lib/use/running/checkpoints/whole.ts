/**
 * Whether the files of a checkpoint are whole: each is read by the reader of its format to where its end must be, and
 * an index finds its shards. What no reader knows is taken as it is.
 */
import path from 'node:path';
import { isDamage } from '../../../base/errors.js';
import { ReadFile } from '../../../base/files/files.js';
import { layoutWith, READERS } from '../../../pure/formats/detect.js';
import { HEAD_BYTES, type Neighbours } from '../../../pure/formats/format.js';
import { describeLookalike } from '../../../pure/formats/lookalike.js';
import type { HeldFile } from './held-files.js';

/** JSON of a checkpoint is read as a whole up to this size. */
const JSON_BYTES_MAX = 64 * 1024 * 1024;

/** Why a checkpoint is not whole, in words; null if nothing says so. @throws {IoError} */
export async function wholenessProblem(
  files: readonly HeldFile[],
  signal?: AbortSignal,
): Promise<string | null> {
  const names = new Set(files.map(({ inside }) => inside));
  for (const { inside, file } of files) {
    const name = inside === '' ? path.basename(file) : inside;
    const problem = await fileProblem(file, name, names, signal);
    if (problem !== null) return `'${name}' ${problem}`;
  }
  return null;
}

async function fileProblem(
  file: string,
  name: string,
  names: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<string | null> {
  const source = await ReadFile.open(file, name);
  try {
    if (/\.json$/i.test(name)) return await jsonProblem(source, name, names);
    const head = await source.read(0, Math.min(HEAD_BYTES, source.size));
    for (const reader of READERS) {
      try {
        if (!reader.matches(head, source)) continue;
        const layout = await layoutWith(reader, source, signal, NO_NEIGHBOURS);
        return layout.format === 'blob' ? cutOff(layout.warnings) : null;
      } catch (error) {
        if (!isDamage(error)) {
          // A reader that gives up says nothing of the file.
          if (error instanceof Error && !('syscall' in error) && !signal?.aborted) return null;
          throw error;
        }
        return error.message;
      }
    }
    return await describeLookalike(source, Buffer.from(head));
  } finally {
    await source.close();
  }
}

function cutOff(warnings: readonly string[]): string | null {
  return warnings.find((text) => /truncated|cut|damaged|ends|too short/i.test(text)) ?? null;
}

const NO_NEIGHBOURS: Neighbours | undefined = undefined;

async function jsonProblem(
  source: ReadFile,
  name: string,
  names: ReadonlySet<string>,
): Promise<string | null> {
  if (source.size > JSON_BYTES_MAX) return null;
  if (source.size === 0) return 'is empty';
  let document: unknown;
  try {
    const text = Buffer.from(await source.read(0, source.size)).toString();
    document = JSON.parse(text.replace(/\bNaN\b|-?\bInfinity\b/g, '0'));
  } catch {
    return 'is no whole JSON';
  }
  if (!/\.index\.json$/i.test(name)) return null;
  const map = (document as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null) return null;
  const folder = path.posix.dirname(name);
  for (const shard of new Set(Object.values(map))) {
    if (typeof shard !== 'string' || names.has(path.posix.join(folder, shard))) continue;
    return `names '${shard}', which is not there`;
  }
  return null;
}
