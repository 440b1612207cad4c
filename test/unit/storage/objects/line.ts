/** A line of one file's versions, whose chains must stay short and cheap to read. */
import type { ExecutionContext } from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { streamFile } from '../../../../lib/storage/objects/stored/rebuild.js';
import type { Repository } from '../../../../lib/use/repository.js';
import { checkpoint } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from './work-repository.js';

/** Stored bytes that are read to rebuild the files of a version. */
async function bytesRead(repo: Repository, id: Id): Promise<number> {
  const { backend } = repo.store;
  const read = backend.read.bind(backend);
  let bytes = 0;
  backend.read = (name, offset, length) => {
    if (!name.endsWith('.idx')) bytes += length;
    return read(name, offset, length);
  };
  for (const entry of (await repo.tree(id)).files) {
    for await (const _ of streamFile(repo, await repo.openFile(entry)));
  }
  backend.read = read;
  return bytes;
}

/** Commits `versions` small steps under a limit of `depth` and looks at every chain and every read. */
export async function checkLine(
  t: ExecutionContext,
  depth: number,
  versions: number,
): Promise<void> {
  t.timeout(600_000);
  const work = await WorkRepository.make(t, `[chain]\ndepth = ${depth}\n`);
  for (let step = 0; step < versions; step++) {
    await work.commit({ 'a.safetensors': checkpoint(1, step, 2) });
  }
  const ids = [...work.versions.keys()];
  await work.open(async (repo) => {
    let deepest = 0;
    for await (const entry of repo.store.segments()) {
      let links = 0;
      for (let next = entry.base; next !== null; links++) {
        next = (await repo.store.findSegment(next, entry.segment))!.base;
      }
      t.is(links, entry.depth);
      deepest = Math.max(deepest, links);
    }
    t.true(deepest > 0 && deepest <= depth, `depth ${deepest}`);
    for await (const entry of repo.store.blobs()) t.true(entry.depth <= depth);
  });
  const costs: number[] = [];
  for (const id of ids) costs.push(await work.open((repo) => bytesRead(repo, id)));
  // The first version has no base: what reading it costs is the unit of the limit, chain.cost.
  const most = Math.max(...costs.slice(1));
  t.true(most <= 4 * costs[0]!, `${most} bytes for one, ${costs[0]} without deltas`);
  // A line does not get slower than it was when its chains had first grown.
  const early = Math.max(...costs.slice(0, 11));
  t.true(most <= 1.1 * early, `${most} bytes for one, ${early} for one of the first`);
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
}
