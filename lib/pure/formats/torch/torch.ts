/**
 * PyTorch checkpoints (`.pt`, `.pth`): a zip archive of one pickle and one stored entry per storage, or
 * several of them, one after another (`.distcp`).
 *
 * Each storage is one extent, each tensor a view of it, named by its path through the pickle. The
 * pickle is read as data (pickle.ts) and never run. TorchScript archives have the same parts and more.
 * The two older forms, a stream of pickles and a tar file, are recognised and kept as blobs.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { quoteSome } from '../../../base/bytes/words/wording.js';
import { blobLayout, type FileLayout } from '../../tensor/layout.js';
import type { FormatReader, Neighbours } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { buildSpans, outside, type SpanClaim } from '../spans.js';
import { firstZipName } from '../zip/zip.js';
import type { PickleValue } from './pickle-value.js';
import { readTorchArchive, type TorchArchive, variableRanges } from './torch-archive.js';
import { findArchives } from './torch-joined.js';
import { nameTensors, stepOfRoot } from './torch-names.js';
import { type Placed, placeStorages } from './torch-storages.js';
import { nameOf, pathOf, ROOT, type TorchContent } from './torch-walk.js';

/** Names of entries, without the folder of the archive, that a PyTorch archive begins with. */
const FIRST_ENTRY =
  /^[^/]+\/(data\.pkl|constants\.pkl|version|byteorder|(data|code|constants|extra|\.data)\/.*|\.(format_version|storage_alignment))$/;
/** The magic number that begins the stream form of PyTorch 0.1.10 to 1.5: a pickled integer. */
const STREAM_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
const TAR_NAMES = /^(\.\/)?(sys_info|storages|tensors|pickle)\0/;

/** Reads `.pt` and `.pth` files. */
export const torchReader: FormatReader = {
  name: 'torch',
  matches: (head) => isArchive(head) || isStream(head) || isTar(head),
  layout: async (source, signal, neighbours) => {
    const head = await source.read(0, Math.min(source.size, 512));
    if (isStream(head) || isTar(head)) return blobLayout([OLD_FORM]);
    return readArchives(source, signal, neighbours);
  },
};

const OLD_FORM =
  'is a PyTorch file of the form before version 1.6 and is kept as opaque bytes: ' +
  'save it again with a newer PyTorch to have its tensors versioned';

function isArchive(head: Uint8Array): boolean {
  return FIRST_ENTRY.test(firstZipName(head) ?? '');
}

function isStream(head: Uint8Array): boolean {
  return STREAM_MAGIC.equals(head.subarray(0, STREAM_MAGIC.length));
}

function isTar(head: Uint8Array): boolean {
  const text = (start: number, end: number) =>
    Buffer.from(head.subarray(start, end)).toString('latin1');
  return text(257, 262) === 'ustar' && TAR_NAMES.test(text(0, 100));
}

async function readArchives(
  source: ByteSource,
  signal: AbortSignal | undefined,
  neighbours: Neighbours | undefined,
): Promise<FileLayout> {
  const budget = new MemoryBudget(source.name);
  const { archives: places, warnings } = await findArchives(source, neighbours, signal);
  const archives: TorchArchive[] = [];
  for (const { start, end, name } of places) {
    throwIfAborted(signal);
    const path = name === null ? ROOT : pathOf(name);
    const archive = await readTorchArchive(source, { signal, budget, start, end, path });
    // Other tools write archives too.
    if (archive.programs.length === 0 && places.length === 1) return blobLayout();
    archives.push(archive);
  }
  const layout = layoutOfArchives(source, archives, budget);
  return { ...layout, warnings: [...warnings, ...layout.warnings] };
}

/** The layout of a file that is these archives, one after another. */
function layoutOfArchives(
  source: ByteSource,
  archives: readonly TorchArchive[],
  budget: MemoryBudget,
): FileLayout {
  const claims: SpanClaim[] = [];
  const tensors: Placed['tensors'] = [];
  const warnings: string[] = [];
  for (const archive of archives) {
    for (const [i, program] of archive.programs.entries()) {
      const placed = placeStorages(source, program, archive);
      budget.charge(placed.claims.length * CHARGES.claim);
      for (const claim of placed.claims) claims.push(claim);
      for (const { tensor, offset } of placed.tensors) {
        tensors.push({ tensor: i === 0 ? tensor : { ...tensor, top: 'constants' }, offset });
      }
      warnings.push(...placed.warnings, ...contentWarnings(program.content));
    }
    budget.charge(archive.entries.length * CHARGES.extent);
  }
  const extents = buildSpans(claims);
  return budget.layout({
    ...blobLayout(warnings),
    format: 'torch',
    extents,
    tensors: nameTensors(tensors, budget),
    variable: outside(archives.flatMap(variableRanges), extents),
    step: stepOfRoot(rootOf(archives)),
  });
}

/** The top-level dict of one archive, or what each of several holds by its name. */
function rootOf(archives: readonly TorchArchive[]): Map<string, PickleValue> | null {
  const [first, ...more] = archives;
  if (more.length === 0 && first?.path.top === null) return first.programs[0]?.content.root ?? null;
  const values = new Map<string, PickleValue>();
  for (const { path, programs } of archives) {
    const [program] = programs;
    if (program !== undefined) values.set(nameOf(path), program.pickle.value);
  }
  return values;
}

/** Modules whose functions run programs or load code. */
const DANGEROUS =
  /^((os|posix|nt|sys|subprocess|pty|runpy|code|importlib|ctypes|shutil|socket|pip|builtins|__builtin__|numpy\.testing)\.|torch\.(hub|jit|load|compile))/;
/** Names of other calls that a warning shows. */
const CALLS_SHOWN = 2;

/** Calls that would do harm are all named, up to as many. */
const DANGERS_SHOWN = 5;

/**
 * Settings of a training script, which hold no tensor, call the classes of its libraries: that is nothing new.
 * Calls that would do harm if they were run are, and any beside tensors.
 */
function contentWarnings({ tensors, foreign, notes }: TorchContent): string[] {
  const dangerous = foreign.filter((name) => DANGEROUS.test(name));
  if (dangerous.length === 0 && (tensors.length === 0 || foreign.length === 0)) {
    return notes.warnings();
  }
  const others = foreign.filter((name) => !DANGEROUS.test(name));
  const shown = dangerous.length > 0 ? [...dangerous, ...others] : others.slice(0, CALLS_SHOWN);
  const more = foreign.length - shown.length;
  const names = quoteSome(shown, DANGERS_SHOWN) + (more > 0 ? ` and ${more} more` : '');
  return [`calls what dlv does not know and never runs: ${names}`, ...notes.warnings()];
}
