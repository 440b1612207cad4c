/** `dlv archive`: what its quick and its slow tests share. */

import type { ExecutionContext } from 'ava';
import { sha256Hex } from '../../lib/base/bytes/hash.js';
import { checkRepository } from '../../lib/storage/fsck/fsck.js';
import { type SegmentEntry, storedBytes } from '../../lib/storage/store/types.js';
import { type ArchiveOptions, type ArchiveResult, archive } from '../../lib/use/ops/archive.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { Repository } from '../../lib/use/repository.js';
import { madeOnce, TestRepository } from './repository.js';
import { nudge, randomTensors, safetensors, type Tensors } from './safetensors.js';

/** Three extents of 64, 32 and 16 KiB. */
export const SHAPES = { 'a.weight': [128, 128], 'b.weight': [64, 128], 'c.weight': [32, 128] };

interface Line {
  repo: TestRepository;
  /** sha256 of the file of each version. */
  sums: string[];
}

async function makeLine(t: ExecutionContext, count: number): Promise<Line> {
  const repo = await TestRepository.create(t);
  const sums: string[] = [];
  let tensors: Tensors = randomTensors(SHAPES, 1);
  for (let i = 0; i < count; i++) {
    const bytes = safetensors(tensors);
    sums.push(sha256Hex(bytes));
    await repo.write('model.safetensors', bytes);
    await repo.commit(`version ${i + 1}`);
    tensors = nudge(tensors, 1e-3, i + 2);
  }
  return { repo, sums };
}

/** Makes a copy of the line of each length that was asked for. */
const lines = new Map<number, (t: ExecutionContext) => Promise<Line>>();

/** A line of versions, each a small change of the one before. @returns sha256 of the file of each. */
export async function line(
  t: ExecutionContext,
  count: number,
): Promise<[TestRepository, string[]]> {
  const copy = lines.get(count) ?? madeOnce((first) => makeLine(first, count));
  lines.set(count, copy);
  const { repo, sums } = await copy(t);
  return [repo, sums];
}

/** Runs the command's use case in this process, which is faster. */
export function run(repo: TestRepository, options: ArchiveOptions): Promise<ArchiveResult> {
  return repo.with((open) => archive(open, options, repo.context));
}

/** Every version rebuilt from the packs has the sum that its file had. */
export async function checkVersions(
  t: ExecutionContext,
  repo: TestRepository,
  sums: readonly string[],
) {
  for (const [index, sum] of sums.entries()) {
    const revision = `net@${index + 1}`;
    await repo.with((open) => checkout(open, { revision, force: true }, repo.context));
    t.is(sha256Hex(await repo.read('model.safetensors')), sum, revision);
  }
  const { problems } = await repo.with((open) =>
    checkRepository(open.layout, { open: Repository.openForRepair }),
  );
  t.deepEqual(problems, []);
}

/** Bytes read for a snapshot, from the records on disk: the sum over the chains of its extents. */
export async function bytesOnDisk(repo: TestRepository, version: string): Promise<number> {
  return repo.with(async (open) => {
    const { files } = await open.tree(version as Parameters<typeof open.tree>[0]);
    let bytes = 0;
    for (const entry of files) {
      const { recipe } = await open.openFile(entry);
      for (const id of new Set(recipe?.extents ?? [])) {
        const segments = (await open.store.findSegment(id, 0))?.segments ?? 0;
        for (let segment = 0; segment < segments; segment++) {
          for (let next: typeof id | null = id; next !== null; ) {
            const found: SegmentEntry | null = await open.store.findSegment(next, segment);
            if (found === null) throw new Error(`no extent ${next}`);
            bytes += storedBytes(found);
            next = found.base;
          }
        }
      }
    }
    return bytes;
  });
}
