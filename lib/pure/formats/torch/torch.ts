/**
 * PyTorch checkpoints (`.pt`, `.pth`): a zip archive of one pickle and one stored entry per storage.
 *
 * Each storage is one extent, each tensor a view of it, named by its path through the pickle. The
 * pickle is read as data (pickle.ts) and never run. TorchScript archives have the same parts and more.
 * The two older forms, a stream of pickles and a tar file, are told and kept as blobs.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { blobLayout, type FileLayout } from '../../tensor/layout.js';
import { corrupt, type FormatReader, quoteSome } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { buildSpans, outside, type SpanClaim } from '../spans.js';
import { firstZipName } from '../zip/zip.js';
import { readTorchArchive, type TorchArchive, variableRanges } from './torch-archive.js';
import { nameTensors, stepOfRoot } from './torch-names.js';
import { type Placed, placeStorages } from './torch-storages.js';
import type { TorchContent } from './torch-walk.js';

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
  layout: async (source, signal) => {
    const head = await source.read(0, Math.min(source.size, 512));
    if (isStream(head) || isTar(head)) return blobLayout([OLD_FORM]);
    return readArchive(source, signal);
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

async function readArchive(source: ByteSource, signal?: AbortSignal): Promise<FileLayout> {
  const budget = new MemoryBudget(source.name);
  const archive = await readTorchArchive(source, { signal, budget });
  if (archive.start > 0) throw corrupt(source, 'it is several archives, one after another');
  if (archive.programs.length === 0) return blobLayout();
  return layoutOfArchives(source, [archive], budget);
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
    step: stepOfRoot(archives[0]?.programs[0]?.content.root ?? null),
  });
}

function contentWarnings({ foreign, notes }: TorchContent): string[] {
  if (foreign.length === 0) return notes.warnings();
  const calls = `the pickle calls what dlv does not know and never runs: ${quoteSome(foreign)}`;
  return [calls, ...notes.warnings()];
}
