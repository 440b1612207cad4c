import { sha256Hex } from '../../base/bytes/hash.js';
import { findLoaded, placeLoaded } from '../../storage/repo/loaded-files.js';
import { registerReader } from '../../storage/repo/processes/readers.js';
import type { OpContext } from '../context.js';
import type { LineAccess } from '../history/access.js';
import { resolveId } from '../history/lines/resolve.js';
import { type Extracted, type ExtractOptions, planExtraction } from './plan-extraction.js';

/** What was taken out, and the file that holds it. */
export type LoadedCopy = Extracted & { file: string };

/** What was left in a file, and what was warned of on the way. */
interface Placed {
  result: Extracted;
  key: string;
  warnings: string[];
}

/** Copies that calls on one open repository have made or found: versions do not change, so neither does their answer. */
const PLACED = new WeakMap<LineAccess, Map<string, Placed>>();
const PLACED_MAX = 1000;

/** Leaves the bytes in a file, or finds it. No pack is read for one that was found before. */
export async function loadedCopy(
  repo: LineAccess,
  options: ExtractOptions,
  context: OpContext,
): Promise<LoadedCopy> {
  const known = PLACED.get(repo) ?? new Map<string, Placed>();
  PLACED.set(repo, known);
  const { revision, ...others } = options;
  const version = await resolveId(repo, revision).catch(() => null);
  const question = version === null ? null : JSON.stringify([version, others]);
  const before = question === null ? undefined : known.get(question);
  if (before !== undefined) {
    const { key, result, warnings } = before;
    const file = await findLoaded(repo.layout, { key, bytes: result.bytes });
    if (file !== null) {
      for (const warning of warnings) context.warn(warning);
      return { ...result, file };
    }
  }
  const warnings: string[] = [];
  const warn: OpContext['warn'] = (message, ...more) => {
    warnings.push(message);
    context.warn(message, ...more);
  };
  const reader = await registerReader(repo.layout, repo.store.generation);
  try {
    const { result, key, file } = await place(repo, options, { ...context, warn });
    if (question !== null) {
      if (known.size >= PLACED_MAX) known.clear();
      known.set(question, { result, key, warnings });
    }
    return { ...result, file };
  } finally {
    await reader.close();
  }
}

async function place(
  repo: LineAccess,
  options: ExtractOptions,
  context: OpContext,
): Promise<Omit<Placed, 'warnings'> & { file: string }> {
  const { result, content, stream } = await planExtraction(repo, options, context);
  const { bytes, format, planes } = result;
  const key = sha256Hex(JSON.stringify([1, format, planes, bytes, ...content]));
  const { signal, progress } = context;
  progress.start('loading', bytes);
  const file = await placeLoaded(
    repo.layout,
    { key, bytes, stream },
    {
      bytesMax: repo.config.get('cache.bytes'),
      onBytes: (count) => progress.advance(count),
      ...(signal ? { signal } : {}),
    },
  );
  return { result, key, file };
}
