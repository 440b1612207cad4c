/** Checks pack sets and rebuilds what is derived from them. */

import { isMissing } from '../bytes/files.js';
import type { Id } from '../bytes/hash.js';
import { isDamage } from '../errors.js';
import { INDEX_BYTES_MAX } from '../limits.js';
import type { Backend } from './backend.js';
import { packName } from './pack-format.js';
import { SetScanner } from './scan.js';
import {
  type BlobRecord,
  FILE_CLASSES,
  isSetId,
  type Problem,
  type RecordSink,
  type SegmentRecord,
  type SetId,
  type SetInfo,
} from './types.js';

/** What reading a set without its idx gave. */
export interface SetScan {
  /** Null if nothing readable is left. Its id differs from the asked one if records are damaged. */
  info: SetInfo | null;
  /** The rebuilt idx, byte for byte what the writer made if there are no problems. */
  index: Uint8Array | null;
  problems: Problem[];
}

/** Every problem of one set: sizes, headers, every checksum, unused bytes, idx against rebuilt idx. */
export async function* verifySet(backend: Backend, info: SetInfo): AsyncGenerator<Problem> {
  let incomplete = false;
  for (const fileClass of FILE_CLASSES) {
    const file = packName(info.id, fileClass);
    const there = await backend.exists(file);
    const size = there ? await backend.size(file) : 0;
    if (size === info.bytes[fileClass]) continue;
    if (fileClass !== 'idx') incomplete = true;
    const message = there
      ? `'${file}' has ${size} bytes, the manifest says ${info.bytes[fileClass]}`
      : `'${file}' is missing`;
    yield { what: there ? 'size' : 'missing-file', set: info.id, file, message };
  }
  const scan = await scanSet(backend, info.id);
  yield* scan.problems;
  const file = packName(info.id, 'idx');
  const found = await readIndex(backend, file);
  if (found !== null && (scan.index === null || Buffer.compare(scan.index, found) !== 0)) {
    // With damaged records the rebuilt idx differs in any case: only a sound set accuses its idx.
    if (scan.problems.length === 0 && !incomplete) {
      yield {
        what: 'index',
        set: info.id,
        file,
        message: `'${file}' is not the index of its records`,
      };
    }
  }
}

async function readIndex(backend: Backend, name: string): Promise<Uint8Array | null> {
  try {
    return await backend.readAll(name, INDEX_BYTES_MAX);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Reads `.blob` and `.hi` of a set and builds its idx from them. Writes nothing. */
export async function scanSet(backend: Backend, id: SetId): Promise<SetScan> {
  const problems: Problem[] = [];
  const scanner = new SetScanner(backend, id, (problem) => problems.push(problem));
  await scanner.run();
  if (scanner.builder.count === 0) return { info: null, index: null, problems };
  const { bytes, id: found } = scanner.builder.finish(scanner.sizes);
  return {
    info: { id: found, bytes: { ...scanner.sizes, idx: bytes.length } },
    index: bytes,
    problems,
  };
}

/** Writes the idx of a set anew if the rebuilt one has the set's own id; else returns the problems. */
export async function rebuildIndex(backend: Backend, id: SetId): Promise<SetScan> {
  const scan = await scanSet(backend, id);
  if (scan.index !== null && scan.info?.id === id) {
    await backend.writeAtomic(packName(id, 'idx'), scan.index);
  } else if (scan.problems.length === 0) {
    const file = packName(id, 'idx');
    scan.problems.push({
      what: 'index',
      set: id,
      file,
      message: `the records of set ${id} give another index`,
    });
  }
  return scan;
}

/** Copies every undamaged record of a damaged set. */
export async function salvageSet(
  backend: Backend,
  id: SetId,
  sink: RecordSink,
): Promise<Problem[]> {
  const problems: Problem[] = [];
  await new SetScanner(backend, id, (problem) => problems.push(problem), sink).run();
  return problems;
}

/** Notes which keys a set holds and which bases it needs from outside. */
class KeyCollector implements RecordSink {
  readonly keys = new Set<string>();
  readonly needs = new Set<string>();

  async addBlob(record: BlobRecord): Promise<void> {
    this.#add(record.id, record.base);
  }

  async addSegment(record: SegmentRecord): Promise<void> {
    const key = (id: Id): string => `${id}:${record.segment}`;
    this.#add(key(record.id), record.base === null ? null : key(record.base));
  }

  #add(key: string, base: string | null): void {
    if (base !== null && !this.keys.has(base)) this.needs.add(base);
    this.keys.add(key);
  }
}

/** The sets that lie in packs/, in an order in which the live delta graph is a forest. */
export async function scanPacks(
  backend: Backend,
): Promise<{ sets: SetInfo[]; problems: Problem[] }> {
  const ids = new Set<SetId>();
  for (const name of await backend.list('packs')) {
    const stem = name.split('.')[0] as string;
    if (isSetId(stem)) ids.add(stem);
  }
  const problems: Problem[] = [];
  const waiting = new Map<SetId, { info: SetInfo; keys: KeyCollector }>();
  for (const id of [...ids].sort()) {
    const keys = new KeyCollector();
    const found: Problem[] = [];
    const scanner = new SetScanner(backend, id, (problem) => found.push(problem), keys);
    try {
      await scanner.run();
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    problems.push(...found);
    if (scanner.builder.count === 0) continue;
    const { bytes, id: rebuilt } = scanner.builder.finish(scanner.sizes);
    if (rebuilt === id)
      waiting.set(id, { info: { id, bytes: { ...scanner.sizes, idx: bytes.length } }, keys });
    else if (found.length === 0) {
      problems.push({
        what: 'record',
        set: id,
        file: packName(id, 'hi'),
        message: `set ${id} lacks records or files`,
      });
    }
  }
  const sets: SetInfo[] = [];
  const held = new Set<string>();
  while (waiting.size > 0) {
    const next =
      [...waiting].find(([, set]) => [...set.keys.needs].every((key) => held.has(key))) ??
      ([...waiting][0] as never);
    const [id, { info, keys }] = next as [SetId, { info: SetInfo; keys: KeyCollector }];
    if (![...keys.needs].every((key) => held.has(key))) {
      problems.push({
        what: 'order',
        set: id,
        file: packName(id, 'hi'),
        message: `set ${id} has deltas whose bases are in no set before it`,
      });
    }
    waiting.delete(id);
    for (const key of keys.keys) held.add(key);
    sets.push(info);
  }
  return { sets, problems };
}
