/** What is said of folders that may not be read, and of links that lead nowhere: the truth, of what was named alone. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs/promises';
import test from 'ava';
import type { DlvError } from '../../lib/base/errors.js';
import { add } from '../../lib/use/ops/add.js';
import { status } from '../../lib/use/ops/status.js';
import { changes, warned, whileDenied, whileUnlisted } from '../helpers/odd-work.js';
import { TestRepository } from '../helpers/repository.js';

/** 'one' and 'd/two', and beside them what is warned of: a link, a FIFO and a name that is no text. */
async function oddFolder(repo: TestRepository): Promise<void> {
  for (const name of ['one', 'd/two', 'e/f']) await repo.write(name, name);
  await fs.symlink('one', repo.file('link'));
  await fs.symlink('one', repo.file('d/link'));
  spawnSync('mkfifo', [repo.file('fifo'), repo.file('d/fifo')]);
  await fs.writeFile(Buffer.concat([Buffer.from(`${repo.dir}/d/`), Buffer.of(0xff)]), 'x');
}

for (const [paths, said] of [
  [['one'], []],
  [['o*'], []],
  [['?/t*'], []],
  [['{l*,one}'], ["'link' is skipped: it is a symbolic link"]],
  [['[ld]*'], ["'d/link'", "'link'", "'d/fifo'", 'not valid UTF-8']],
] as const) {
  test(`add and status: of what '${paths}' does not cover nothing is said`, async (t) => {
    const repo = await TestRepository.create(t);
    await oddFolder(repo);
    for (const run of [
      () => repo.with((open) => status(open, repo.context, { paths: [...paths] })),
      () => repo.with((open) => add(open, { paths: [...paths] }, repo.context)),
    ]) {
      const text = await warned(repo, () =>
        run().catch((error) => t.is(error.code, 'DLV_NOT_FOUND')),
      );
      if (said.length === 0) t.is(text, '');
      for (const words of said) t.true(text.includes(words), text);
      t.false(text.includes("'fifo'"), text);
    }
  });
}

test('status: a folder that is named is walked, and no other', async (t) => {
  const repo = await TestRepository.create(t);
  await oddFolder(repo);
  const found = await repo.with((open) => status(open, repo.context, { paths: ['d'] }));
  t.deepEqual(found.untracked, ['d/two']);
  const text = repo.warnings.join('\n');
  t.true(text.includes("'d/link' is skipped") && text.includes("'d/fifo' is skipped"), text);
  t.false(text.includes("'link'") || text.includes("'fifo'"), text);
});

test.serial(
  'a folder whose names may not be listed: what is tracked in it is looked at, as is said',
  async (t) => {
    const repo = await TestRepository.create(t);
    for (const name of ['d/x', 'd/y', 'e']) await repo.write(name, name);
    await repo.commit('one');
    await repo.write('d/x', 'changed');
    const says = "files in 'd' that are not tracked are skipped: its names may not be listed";
    await whileUnlisted(await fs.realpath(repo.file('d')), async () => {
      t.is(await warned(repo, () => repo.with((open) => status(open, repo.context))), says);
      for (const word of ['.', 'd/*']) {
        const said = await warned(repo, () =>
          repo.with((open) => add(open, { paths: [word] }, repo.context)),
        );
        t.is(said, says);
      }
    });
    t.deepEqual(await changes(repo), ['staged modified d/x']);
  },
);

test.serial('add: a glob in a folder that may not be read names the folder', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['d/x', 'd/s/y', 'e']) await repo.write(name, name);
  await whileDenied(await fs.realpath(repo.file('d')), async () => {
    for (const word of ['d/*', 'd/s/?', '*/x']) {
      const adding = repo.with((open) => add(open, { paths: [word, 'e'] }, repo.context));
      const error = await t.throwsAsync(adding, {
        code: 'DLV_IO',
        message: "cannot read 'd': permission is denied (EACCES)",
      });
      t.regex((error as unknown as DlvError).data.hint ?? '', /^check the permissions/);
      // What else was named is stored.
      t.true((await changes(repo)).includes('staged added e'), word);
    }
    const said = await warned(repo, () =>
      repo.with((open) => add(open, { paths: ['*'] }, repo.context)),
    );
    t.is(said, "'d' is skipped: it may not be read");
  });
});

test('add: a glob that is longer than a name may be is a glob', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['a', 'b']) await repo.write(name, name);
  await repo.json('add', `{a,${'n'.repeat(300)}}`);
  t.deepEqual(await changes(repo), ['staged added a', 'untracked b']);
});

test('add --follow: a link that leads nowhere is a missing file, and the link and its target are named', async (t) => {
  const repo = await TestRepository.create(t);
  for (const name of ['e', 'd/x']) await repo.write(name, name);
  await fs.symlink('disk/model.pt', repo.file('best'));
  await fs.symlink('../disk', repo.file('d/last'));
  await fs.symlink('circle', repo.file('circle'));
  for (const [link, to, where] of [
    ['best', 'disk/model.pt', 'nowhere'],
    ['d/last', '../disk', 'nowhere'],
    ['circle', 'circle', 'in a circle'],
  ] as const) {
    const { code, message, data } = await repo.fails(1, 'add', '--follow', link, 'e');
    t.is(code, 'DLV_NOT_FOUND');
    t.is(message, `cannot add '${link}': it is a symbolic link that leads ${where}`);
    t.true(data.hint?.startsWith(`'${link}' leads to '${to}': `), data.hint);
    t.true((await changes(repo)).includes('staged added e'));
  }
});
