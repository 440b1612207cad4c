/**
 * The least that a comparison of every record with its id takes: the kernel reads, decodes and hashes each record of
 * a store once, on all cores, with everything at hand that it has to be told.
 */
import os from 'node:os';
import type { Id } from '../../lib/base/bytes/hash.js';
import { RUN_ELEMENTS, SEGMENT_ELEMENTS } from '../../lib/base/limits.js';
import {
  CHECK_SLOTS_MAX,
  type CheckedRecord,
  RecordChecker,
} from '../../lib/pure/codec/check-plan.js';
import { RunHashes } from '../../lib/storage/objects/planes/run-hashes.js';
import {
  decodeSegmentHead,
  segmentElements,
} from '../../lib/storage/objects/planes/segment-head.js';
import { layOutTree } from '../../lib/storage/objects/planes/tree-order.js';
import { FolderBackend } from '../../lib/storage/store/backends/folder-backend.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import { PLANE_CLASSES } from '../../lib/storage/store/types.js';

/** Records of one call of the kernel, as where a clone is checked. */
const CALL_RECORDS = 32;

/** Records of one tree of deltas, bases first, some at a time. */
type Tree = CheckedRecord[][];

export interface Prepared {
  /** Bytes that the records give. */
  readonly bytes: number;
  readonly records: number;
  /** Decodes and hashes all of them. @throws if one is wrong. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/** Everything that the kernel has to know of the records below a `.dlv`. */
export async function prepareDecoding(dlvDir: string): Promise<Prepared> {
  const backend = new FolderBackend(dlvDir);
  const store = await ObjectStore.open(backend);
  const hashes = new RunHashes(store);
  const children = new Map<string, Id[]>();
  const roots: [Id, number][] = [];
  for await (const { id, segment, base } of store.segments()) {
    if (base === null) roots.push([id, segment]);
    else {
      const key = `${base}/${segment}`;
      children.set(key, [...(children.get(key) ?? []), id]);
    }
  }
  const trees: Tree[] = [];
  const releases: (() => void)[] = [];
  let [bytes, records] = [0, 0];
  for (const [root, segment] of roots) {
    const order = layOutTree(root, (of) => children.get(`${of}/${segment}`) ?? []);
    const tree: Tree = [];
    for (const { id, base, slot } of order) {
      const head = await store.here.openSegment(id, segment);
      const lent = head === null ? null : await store.lendPayloads(head, PLANE_CLASSES);
      if (head === null || lent === null || slot >= CHECK_SLOTS_MAX) throw new Error(`no ${id}`);
      releases.push(() => lent.release());
      const { width, count } = head.entry;
      const elements = segmentElements(count, segment);
      const { hi, mid, low } = lent.payloads;
      if (records++ % CALL_RECORDS === 0 || tree.length === 0) tree.push([]);
      (tree.at(-1) as CheckedRecord[]).push({
        ...{ id, width, count, elements, slot, checksId: true },
        firstRun: (segment * SEGMENT_ELEMENTS) / RUN_ELEMENTS,
        hashes: Buffer.concat(await hashes.of(id)),
        baseSlot: base === null ? null : (order[base]?.slot ?? null),
        head: decodeSegmentHead(head.record).codec,
        classes: [hi, mid, low],
      });
      bytes += width * elements;
    }
    trees.push(tree);
  }
  const check = async (): Promise<void> => {
    let next = 0;
    const work = async (): Promise<void> => {
      const checker = new RecordChecker({
        read: () => Promise.reject(new Error('the kernel reads files')),
      });
      for (let tree = trees[next++]; tree !== undefined; tree = trees[next++]) {
        for (const call of tree) {
          if ((await checker.check(call)) !== call.length) throw new Error('a record is wrong');
        }
      }
    };
    await Promise.all(Array.from({ length: os.availableParallelism() }, work));
  };
  const close = async (): Promise<void> => {
    for (const release of releases) release();
    await store.close();
  };
  return { bytes, records, check, close };
}
