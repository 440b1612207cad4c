/** Verbs that change more than one ref: a run that was cut short is finished by the next one. */
import fs from 'node:fs/promises';
import test from 'ava';
import { io } from '../../lib/base/files/files.js';
import { branchRefName } from '../../lib/storage/repo/layout.js';
import { readHead } from '../../lib/storage/repo/refs/head.js';
import { listRefNames } from '../../lib/storage/repo/refs/refs.js';
import { renameBranch } from '../../lib/use/ops/branch.js';
import { switchTo } from '../../lib/use/ops/switch.js';
import { fsckProblems } from '../trust/record.js';
import { WorkRepository } from '../unit/storage/objects/work-repository.js';

type Verb = (work: WorkRepository) => Promise<unknown>;

const verbs: [string, string[], Verb][] = [
  [
    'branch -m',
    ['trunk'],
    (work) => work.open((repo, context) => renameBranch(repo, { to: 'trunk' }, context)),
  ],
  [
    'switch -c',
    ['main', 'trial'],
    (work) =>
      work.open((repo, context) => switchTo(repo, { name: 'trial', create: true }, context)),
  ],
];

for (const [name, branches, verb] of verbs) {
  test.serial(`${name}: cut short before any rename of a file, it can be run again`, async (t) => {
    const rename = io.rename;
    for (let last = 1; ; last++) {
      const work = await WorkRepository.make(t);
      await work.commit({ 'a.txt': 'a' });
      let calls = 0;
      io.rename = async (from, to) => {
        if (++calls >= last) throw Object.assign(new Error('cut'), { code: 'EIO' });
        return rename(from, to);
      };
      const failed = await verb(work).then(
        () => false,
        () => true,
      );
      io.rename = rename;
      if (!failed) break;
      await t.notThrowsAsync(verb(work), `cut before rename ${last}`);
      await work.open(async ({ layout }) => {
        const names = await listRefNames(layout, 'refs/heads');
        t.deepEqual(
          names,
          branches.map((branch) => branchRefName('m', branch)),
        );
        t.like(await readHead(layout), { kind: 'branch', branch: branches.at(-1) });
      });
      t.deepEqual(await fsckProblems(work.dir), []);
      await fs.rm(work.dir, { recursive: true, force: true });
    }
  });
}
