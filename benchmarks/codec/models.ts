/**
 * Model files of a folder as the codec sees them: extents of one width, cut into segments, and which
 * file is probably made from which.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { ReadFile } from '../../lib/base/files/files.js';
import { SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import { splitFast } from '../../lib/pure/codec/planes.js';
import { readLayout } from '../../lib/pure/formats/detect.js';
import { cutFile } from '../../lib/pure/tensor/file-parts.js';
import { swapBytes } from '../../lib/pure/tensor/planes.js';

export interface ModelExtent {
  /** Names of the tensors that view it, sorted. */
  names: string[];
  width: number;
  count: number;
  offset: number;
  byteSwap: boolean;
}

export interface ModelFile {
  /** Path in the folder, with '/'. */
  name: string;
  file: string;
  size: number;
  extents: ModelExtent[];
}

/** A file, alone or against the file it was made from. */
export interface Pair {
  child: ModelFile;
  base: ModelFile | null;
}

/** Elements that are coded together: little-endian bytes and their planes. */
export interface Segment {
  bytes: Uint8Array;
  planes: Uint8Array[];
  width: number;
  count: number;
}

/** A segment of the child and the same segment of its base, if the base has that extent. */
export interface SegmentPair {
  extent: ModelExtent;
  child: Segment;
  base: Segment | null;
}

/** A file whose tensors dlv sees, or null. */
export async function readModel(file: string, name: string): Promise<ModelFile | null> {
  const source = await ReadFile.open(file, name);
  try {
    const layout = await readLayout(source);
    const cut = cutFile(layout, source.size);
    const extents = cut.parts.flatMap(({ part, offset }, index): ModelExtent[] => {
      if (part.kind !== 'extent') return [];
      const names = cut.tensors.filter((t) => t.part === index).map((t) => `${t.role} ${t.name}`);
      const { width, count, byteSwap } = part;
      return [{ names: names.sort(), width, count, offset, byteSwap }];
    });
    return extents.length === 0 ? null : { name, file, size: source.size, extents };
  } finally {
    await source.close();
  }
}

/** Every file below a folder whose tensors dlv sees, sorted by name. */
export async function findModels(folder: string): Promise<ModelFile[]> {
  const names = await fs.readdir(folder, { recursive: true });
  const models: ModelFile[] = [];
  for (const name of names.sort()) {
    const file = path.join(folder, name);
    if (!(await fs.stat(file)).isFile()) continue;
    const model = await readModel(file, name.split(path.sep).join('/'));
    if (model) models.push(model);
  }
  return models;
}

/**
 * Pairs that names suggest: consecutive checkpoints of a folder, and files of one name in neighbouring
 * folders, where the same tensors have the same sizes.
 */
export function guessPairs(models: readonly ModelFile[]): Pair[] {
  const lines = new Map<string, ModelFile[]>();
  for (const model of models) {
    const folder = path.posix.dirname(model.name);
    const tensors = signature(model);
    const chain = `${folder}\0${tensors}`;
    lines.set(chain, [...(lines.get(chain) ?? []), model]);
    const versions = `${path.posix.dirname(folder)}\0${path.posix.basename(model.name)}\0${tensors}`;
    lines.set(versions, [...(lines.get(versions) ?? []), model]);
  }
  const pairs = new Map<string, Pair>();
  for (const line of lines.values()) {
    const ordered = inOrder(line);
    for (const [i, child] of ordered.entries()) {
      const base = ordered[i - 1];
      if (base) pairs.set(`${base.name}\0${child.name}`, { child, base });
    }
  }
  return [...pairs.values()].sort((a, b) => (a.child.name < b.child.name ? -1 : 1));
}

/** Tensors and their sizes, the same for checkpoints of one network. */
export function signature(model: ModelFile): string {
  const extents = model.extents.map((e) => `${e.width} ${e.count} ${e.names.join(' ')}`);
  return extents.sort().join('\n');
}

/** Models by the last number of their names: steps or releases. */
export function inOrder(models: readonly ModelFile[]): ModelFile[] {
  return [...models].sort((a, b) => stepOf(a) - stepOf(b) || (a.name < b.name ? -1 : 1));
}

/** The last number of a file's name, or of its folder's: the step or the release. */
function stepOf(model: ModelFile): number {
  const { dir, name } = path.posix.parse(model.name);
  const digits = /(\d+)\D*$/.exec(name) ?? /(\d+)\D*$/.exec(path.posix.basename(dir));
  return digits ? Number(digits[1]) : 0;
}

/** The extent of a base that a child's extent is a delta of: by name, else the same place. */
export function matchExtent(base: ModelFile, child: ModelFile, extent: ModelExtent) {
  const fits = (e: ModelExtent | undefined): boolean =>
    e?.width === extent.width && e.count === extent.count;
  const named = base.extents.find((e) => fits(e) && e.names.some((n) => extent.names.includes(n)));
  const placed = base.extents[child.extents.indexOf(extent)];
  return named ?? (fits(placed) ? placed : undefined);
}

/** Reads a pair segment by segment; at most one segment of each file is held. */
export async function* segmentsOf(
  { child, base }: Pair,
  wanted: (extent: ModelExtent) => boolean = () => true,
): AsyncGenerator<SegmentPair> {
  const source = await ReadFile.open(child.file, child.name);
  const baseSource = base ? await ReadFile.open(base.file, base.name) : null;
  try {
    for (const extent of child.extents.filter(wanted)) {
      const from = base ? matchExtent(base, child, extent) : undefined;
      for (let at = 0; at < extent.count; at += SEGMENT_ELEMENTS) {
        const count = Math.min(SEGMENT_ELEMENTS, extent.count - at);
        yield {
          extent,
          child: await readSegment(source, extent, at, count),
          base: baseSource && from ? await readSegment(baseSource, from, at, count) : null,
        };
      }
    }
  } finally {
    await source.close();
    await baseSource?.close();
  }
}

async function readSegment(
  source: ReadFile,
  extent: ModelExtent,
  at: number,
  count: number,
): Promise<Segment> {
  const { width, offset, byteSwap } = extent;
  const bytes = await source.read(offset + at * width, count * width);
  if (byteSwap) swapBytes(bytes, width);
  return segmentOf(bytes, width);
}

/** Splits little-endian elements. */
export function segmentOf(bytes: Uint8Array, width: number): Segment {
  const count = bytes.length / width;
  const planes = Array.from({ length: width }, () => new Uint8Array(count));
  splitFast(bytes, planes);
  return { bytes, planes, width, count };
}

/** `child`, or `base → child` without what their names share at the start. */
export function pairName({ child, base }: Pair): string {
  if (base === null) return child.name;
  const from = base.name.split('/');
  const to = child.name.split('/');
  let shared = 0;
  while (shared < from.length - 1 && from[shared] === to[shared]) shared++;
  return `${from.join('/')} → ${to.slice(shared).join('/')}`;
}
