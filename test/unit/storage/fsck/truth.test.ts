/**
 * fsck finds what names something that is not there, tells what a newer dlv wrote from damage, and does
 * not take the work of other commands for damage; after a rebuild it is clean or says what remains.
 */

import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test from 'ava';
import type { Id } from '../../../../lib/base/bytes/hash.js';
import { seal } from '../../../../lib/base/bytes/sealed.js';
import { ReencodedWriter } from '../../../../lib/storage/archive/reencoded-writer.js';
import { checkRepository } from '../../../../lib/storage/fsck/fsck.js';
import type { FsckProblem } from '../../../../lib/storage/fsck/report.js';
import { recodedRecord } from '../../../../lib/storage/objects/recode.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { updateRef } from '../../../../lib/storage/repo/refs/refs.js';
import { writeVersion } from '../../../../lib/storage/repo/version/version-bytes.js';
import { PLANE_CLASSES } from '../../../../lib/storage/store/types.js';
import { checkout } from '../../../../lib/use/ops/checkout.js';
import { fsck } from '../../../../lib/use/ops/fsck.js';
import { status } from '../../../../lib/use/ops/status.js';
import { createTag } from '../../../../lib/use/ops/tag.js';
import { Repository } from '../../../../lib/use/repository.js';
import { DLV_BIN, dlv } from '../../../helpers/dlv.js';
import { checkpoint } from '../../../trust/model-files.js';
import { compareVersions, fsckProblems } from '../../../trust/record.js';
import { WorkRepository } from '../objects/work-repository.js';

const rebuild = (work: WorkRepository) => fsck(work.context, { rebuild: true });

/** Damages the record of a version: it cannot be read any more, and no file brings it back. */
async function loseVersion(work: WorkRepository, id: Id): Promise<void> {
  const entry = await work.open((repo) => repo.store.findBlob(id));
  await work.damage(`packs/${entry!.set}.blob`, entry!.offset + entry!.recordBytes - 6);
  work.versions.delete(id);
}

function texts(problems: readonly FsckProblem[]): string[] {
  return problems.map(({ kind, area, message }) => `${kind} ${area}: ${message}`);
}

test('fsck: a branch whose version is lost goes back to the last one of its reflog that can be read', async (t) => {
  const work = await WorkRepository.make(t);
  const first = (await work.commit({ 'a.safetensors': checkpoint(1, 0) })).version;
  const second = (await work.commit({ 'a.safetensors': checkpoint(1, 1) })).version;
  const third = (await work.commit({ 'b.txt': 'b' })).version;
  await work.open((repo, context) => createTag(repo, { name: 'old', revision: second }, context));
  for (const id of [second, third]) await loseVersion(work, id);
  const before = await fsck(work.context);
  t.true(
    texts(before.problems).includes(
      `damaged ref: 'refs/heads/m/main' names version ${third}, which cannot be read`,
    ),
  );
  t.true(before.problems.some(({ file }) => file === 'refs/tags/old'));

  const mended = await rebuild(work);
  t.regex(
    mended.rebuilt!.done.join('\n'),
    new RegExp(`set 'refs/heads/m/main' to ${first.slice(0, 10)}.*version ${third}`),
  );
  t.regex(
    mended.rebuilt!.failed.join('\n'),
    new RegExp(`'refs/tags/old' still names version ${second}`),
  );
  // What remains is the tag, and the rebuild says so.
  t.deepEqual(
    mended.problems.map(({ kind, area, file }) => [kind, area, file]),
    [
      ['missing', 'object', null],
      ['missing', 'ref', 'refs/tags/old'],
    ],
  );
  await fs.rm(work.file('.dlv/refs/tags/old'));
  await fs.rm(work.file('.dlv/logs/refs/tags/old'));
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
  await work.open(async (repo, context) => {
    const { head, models } = await status(repo, context);
    t.is(head.version, first);
    // What was committed since is staged, so the next commit has it.
    t.deepEqual(
      models[0]!.staged.map(({ path }) => path),
      ['a.safetensors', 'b.txt'],
    );
  });
  await work.commit();
  t.deepEqual(await fsckProblems(work.dir), []);
  t.deepEqual(await compareVersions(work.dir, work.versions), []);
});

test('fsck: HEAD on a lost version goes to a branch of its model', async (t) => {
  const work = await WorkRepository.make(t);
  const first = (await work.commit({ 'a.txt': 'a' })).version;
  await work.commit({ 'a.txt': 'b' });
  await work.open((repo, context) => checkout(repo, { revision: first }, context));
  await loseVersion(work, first);
  t.true((await fsck(work.context)).problems.some(({ file }) => file === 'HEAD'));
  const mended = await rebuild(work);
  t.regex(mended.rebuilt!.done.join('\n'), /set HEAD to 'm\/main': version .* cannot be read/);
  // The second version still has the first for a parent.
  t.true(
    mended.problems.every(({ message }) => message.includes(first)),
    texts(mended.problems).join('\n'),
  );
  t.regex(mended.problems[0]!.remedy, /backup or a clone/);
});

test('fsck: a version of a newer dlv is not damage, and no ref is moved away from it', async (t) => {
  const work = await WorkRepository.make(t);
  const first = (await work.commit({ 'a.txt': 'a' })).version;
  const newer = await work.open(async (repo) => {
    const session = repo.session();
    const old = await repo.version(first);
    const id = await writeVersion(
      { ...old, parents: [first], extensions: [{ tag: '!later', value: new Uint8Array(1) }] },
      { writeBlob: (kind, bytes) => session.putBlob(kind, bytes) },
    ).catch(async () => {
      // This dlv refuses to write it, so its bytes are put together by hand.
      const { encodeCanonical, decodeCanonical } = await import(
        '../../../../lib/base/bytes/msgpack/msgpack.js'
      );
      const fields = decodeCanonical(await repo.readBlob(first, 'version'), 'version') as unknown[];
      return session.putBlob('version', encodeCanonical([2, ...fields.slice(1)] as never));
    });
    await session.flush();
    await repo.locked((lock) =>
      updateRef(lock, {
        name: 'refs/heads/m/main',
        before: first,
        after: id,
        why: { who: 'x', time: Date.now(), reason: 'x' },
      }),
    );
    return id;
  });
  const { problems } = await fsck(work.context, { files: true });
  t.true(problems.length > 0);
  t.true(
    problems.every(({ kind, remedy }) => kind === 'newer' && /upgrade dlv/.test(remedy)),
    texts(problems).join('\n'),
  );
  t.is((await dlv(['fsck'], { cwd: work.dir })).code, 13);
  await rebuild(work);
  t.is(
    await fs.readFile(work.file('.dlv/refs/heads/m/main'), 'utf8').then((x) => x.slice(0, 64)),
    newer,
  );
});

test('fsck --files: an encoding of a newer dlv is reported and the rest is checked', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.safetensors': checkpoint(1, 0), 'b.safetensors': checkpoint(7, 0) });
  const sound = await fsck(work.context, { files: true });
  await work.open(async (repo) => {
    for await (const { id, width } of repo.store.segments()) {
      if (width !== 4) continue;
      const old = await repo.store.readSegment(id, 0, PLANE_CLASSES);
      const coded = { ...old!, head: Buffer.of(99, 1), usesBase: false };
      const writer = new ReencodedWriter(repo);
      await writer.add(recodedRecord(old!, coded, null, 0));
      await writer.flush();
      break;
    }
  });
  const { problems, checked } = await fsck(work.context, { files: true });
  t.deepEqual(
    problems.map(({ kind }) => kind),
    ['newer'],
  );
  t.is(problems[0]!.affectedFiles, 2, 'in the version and in staging');
  t.regex(problems[0]!.remedy, /upgrade dlv/);
  t.is(checked.files, sound.checked.files);
  const result = await dlv(['fsck', '--files', '--json'], { cwd: work.dir });
  t.is(result.code, 13, result.stderr);
});

test('a manifest of a newer dlv is said to be one, and a rebuild leaves the repository alone', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  await fs.writeFile(work.file('.dlv/manifest'), seal('dlv manifest 2\nof another kind\n'));
  await fs.rm(work.file('.dlv/format'));
  const files = await fs.readdir(work.file('.dlv'));
  for (const args of [['log'], ['status'], ['fsck'], ['fsck', '--rebuild'], ['gc']]) {
    const result = await dlv(['--json', ...args], { cwd: work.dir });
    // Without 'format' other commands say that this is missing; none calls the manifest damaged.
    const { error } = JSON.parse(result.stdout) as { error: { code: string; message: string } };
    if (args[0] === 'fsck') t.is(result.code, 13, args.join(' '));
    t.notRegex(error.message, /manifest' is damaged/);
  }
  t.deepEqual(await fs.readdir(work.file('.dlv')), files);
  t.deepEqual(await fs.readdir(work.file('.dlv/trash')), []);
});

test('fsck: a file that a snapshot names and its version lacks is missing', async (t) => {
  const work = await WorkRepository.make(t);
  const first = (await work.commit({ 'a.safetensors': checkpoint(1, 0) })).version;
  await work.open(async (repo) => {
    const session = repo.session();
    const old = await repo.version(first);
    const page = await repo.tree(first);
    const members = ['a-2-of-2.safetensors', 'a.safetensors'];
    const snapshots = page.snapshots.map((snapshot) => ({ ...snapshot, members }));
    const tree = { ...old.tree, inline: { files: page.files, snapshots } };
    const id = await writeVersion(
      { ...old, parents: [first], tree },
      { writeBlob: (kind, bytes) => session.putBlob(kind, bytes) },
    );
    await session.flush();
    const why = { who: 'x', time: Date.now(), reason: 'x' };
    await repo.locked((lock) =>
      updateRef(lock, { name: 'refs/heads/m/main', before: first, after: id, why }),
    );
  });
  const { problems } = await fsck(work.context);
  t.is(problems.length, 1, texts(problems).join('\n'));
  t.like(problems[0], { kind: 'missing', area: 'version', affectedFiles: 1 });
  t.regex(problems[0]!.message, /names 'a-2-of-2.safetensors', which the version lacks/);
  // It hinders nobody.
  const gc = await dlv(['gc'], { cwd: work.dir });
  t.is(gc.code, 0, gc.stderr);
});

test('fsck --rebuild: budgets that are damaged are set aside', async (t) => {
  const work = await WorkRepository.make(t);
  await work.commit({ 'a.txt': 'a' });
  await work.write('.dlv/budgets', 'no list');
  t.like((await fsck(work.context)).problems[0], { kind: 'damaged', file: 'budgets' });
  const mended = await rebuild(work);
  t.deepEqual(mended.problems, []);
  t.regex(mended.rebuilt!.done.join('\n'), /budgets/);
  t.true((await fs.readdir(work.file('.dlv/trash'))).some((name) => name.endsWith('budgets')));
});

for (const [how, says] of [
  ['', /put back from 'kept': HEAD/],
  [', and without second names of them,', /set HEAD to 'm\/main'/],
] as const) {
  test(`fsck --rebuild: a repository without HEAD and format${how} is found and mended`, async (t) => {
    const work = await WorkRepository.make(t);
    await work.commit({ 'a.txt': 'a' });
    for (const name of ['HEAD', 'format']) await fs.rm(work.file(`.dlv/${name}`));
    if (how !== '') await fs.rm(work.file('.dlv/kept'), { recursive: true });
    const found = await dlv(['fsck'], { cwd: work.dir });
    t.is(found.code, 12, found.stderr);
    const mended = await rebuild(work);
    t.deepEqual(mended.problems, []);
    t.regex(mended.rebuilt!.done.join('\n'), says);
    await work.commit({ 'a.txt': 'b' });
    t.deepEqual(await compareVersions(work.dir, work.versions), []);
  });
}

test('fsck: sets that a merge retires, and versions that gc drops, while it looks are not damage', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  for (let step = 0; step < 4; step++) await work.commit({ 'a.safetensors': checkpoint(1, step) });
  const run = (...args: string[]): void => {
    const done = spawnSync(process.execPath, [DLV_BIN, ...args], {
      cwd: work.dir,
      encoding: 'utf8',
    });
    if (done.status !== 0) throw new Error(done.stderr);
  };
  const steps: [string, () => void][] = [
    ['checking packs', () => run('gc', '--prune=now')],
    ['checking objects', () => run('gc', '--prune=now')],
    [
      'checking objects',
      () => {
        run('reset', '--hard', 'HEAD~1');
        run('gc', '--prune=now');
      },
    ],
  ];
  for (const [when, disturb] of steps) {
    await work.commit({ 'more.txt': `${when} ${Math.random()}` });
    await work.commit({ 'more.txt': `${when} ${Math.random()}` });
    let calls = 0;
    const { problems, information } = await checkRepository(new Layout(work.dir), {
      open: Repository.openForRepair,
      onStart: (label) => {
        if (label === when && calls++ === 0) disturb();
      },
    });
    t.deepEqual(texts(problems), [], when);
    t.false(
      information.some((text) => /came and went/.test(text)),
      'a second look was enough',
    );
    t.true(calls >= 1);
  }
});

test('fsck: damage is reported though the repository changes at every look', async (t) => {
  const work = await WorkRepository.make(t, '[gc]\nautoSets = 0\n');
  const first = (await work.commit({ 'a.txt': 'a' })).version;
  await work.commit({ 'a.txt': 'b' });
  await loseVersion(work, first);
  let calls = 0;
  const { problems } = await checkRepository(new Layout(work.dir), {
    open: Repository.openForRepair,
    onStart: (label) => {
      if (label !== 'checking objects') return;
      const args = ['branch', `b${calls++}`];
      spawnSync(process.execPath, [DLV_BIN, ...args], { cwd: work.dir });
    },
  });
  t.is(calls, 4);
  t.true(problems.some(({ affects }) => affects.some(({ version }) => version === first)));
  t.true(problems.every(({ remedy }) => /backup or a clone/.test(remedy)));
});
