/** The small state files: layout, format flags, reflogs, and that every byte of them is covered. */
import fs from 'node:fs/promises';
import test from 'ava';
import fc from 'fast-check';
import { seal, sealReadable } from '../../../../lib/base/bytes/sealed.js';
import { isDamage } from '../../../../lib/base/errors.js';
import { findRepositoryOrNull } from '../../../../lib/storage/repo/find-repository.js';
import {
  checkWritable,
  isWritable,
  readFormat,
  writeFormat,
} from '../../../../lib/storage/repo/format.js';
import { initRepository } from '../../../../lib/storage/repo/init.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import { readHead, writeHead } from '../../../../lib/storage/repo/refs/head.js';
import { notesRefName } from '../../../../lib/storage/repo/refs/ref-name.js';
import {
  appendReflog,
  formatReflogLine,
  parseReflogLine,
  readReflog,
} from '../../../../lib/storage/repo/refs/reflog.js';
import { addNotes, readNotes, readRef, updateRef } from '../../../../lib/storage/repo/refs/refs.js';
import { anyCharacter } from '../../../helpers/any-character.js';
import { tempDir } from '../../../helpers/temp-dir.js';
import { idOf } from './memory-blobs.js';
import { locked, tempRepo, WHY } from './temp-repo.js';

test('init: once; an interrupted one may be run again', async (t) => {
  const layout = await tempRepo(t);
  const options = { model: 'm', branch: 'main' };
  await t.throwsAsync(initRepository(layout, options), { code: 'DLV_EXISTS' });
  await fs.rm(layout.format);
  const error = await t.throwsAsync(readFormat(layout), { code: 'DLV_CORRUPT' });
  t.regex(error!.message, /is missing/);
  await initRepository(layout, options);
  t.deepEqual(await readHead(layout), { kind: 'branch', model: 'mnist', branch: 'main' });
  t.is(await fs.readFile(layout.gitignore, 'utf8'), '*\n');
});

test('init: what fails before the end leaves no repository', async (t) => {
  const layout = new Layout(await tempDir(t));
  const prepare = async () => {
    throw new Error('no manifest');
  };
  const failing = initRepository(layout, { model: 'm', branch: 'main', prepare });
  await t.throwsAsync(failing, { message: 'no manifest' });
  t.is(await findRepositoryOrNull(layout.workTree), null);
  const bad = initRepository(layout, { model: 'a/b', branch: 'main' });
  await t.throwsAsync(bad, { code: 'DLV_USAGE' });
});

test('format: unknown flags refuse reading, or writing, or nothing', async (t) => {
  const layout = await tempRepo(t);
  const format = await readFormat(layout);
  t.deepEqual(format, {
    readRequired: ['ids-sha256-1', 'packs-1'],
    writeRequired: ['manifest-1'],
    optional: ['preview'],
  });
  t.true(isWritable(format));
  checkWritable(layout, format);
  await writeFormat(layout, { ...format, optional: ['preview', 'sketches-2'] });
  t.true(isWritable(await readFormat(layout)));
  await writeFormat(layout, { ...format, writeRequired: ['manifest-1', 'manifest-2'] });
  const readOnly = await readFormat(layout);
  t.false(isWritable(readOnly));
  t.throws(() => checkWritable(layout, readOnly), {
    code: 'DLV_FORMAT_VERSION',
    message: /manifest-2/,
  });
  await writeFormat(layout, { ...format, readRequired: ['ids-blake3-1', 'packs-1'] });
  const error = await t.throwsAsync(readFormat(layout), { code: 'DLV_FORMAT_VERSION' });
  t.regex(error!.message, /ids-blake3-1/);
  t.regex(String((error as unknown as { data: { hint: string } }).data.hint), /upgrade dlv/);
});

test('state files: every flipped bit and every missing tail is found', async (t) => {
  const layout = await tempRepo(t);
  const version = idOf('v');
  const name = 'refs/heads/mnist/main';
  await locked(layout, async (lock) => {
    await updateRef(lock, { name, before: null, after: version, why: WHY });
    await addNotes(lock, version, [idOf('a'), idOf('b')]);
    await writeHead(lock, { kind: 'detached', model: 'mnist', id: version });
  });
  const files: [string, () => Promise<unknown>][] = [
    [layout.head, () => readHead(layout)],
    [layout.format, () => readFormat(layout)],
    [layout.ref(name), () => readRef(layout, name)],
    [layout.ref(notesRefName(version)), () => readNotes(layout, version)],
  ];
  for (const [file, read] of files) {
    const bytes = await fs.readFile(file);
    await read();
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at % 8);
      await fs.writeFile(file, flipped);
      t.true(isDamage(await t.throwsAsync(read())), `${file} at ${at}`);
    }
    for (let length = 0; length < bytes.length; length += 5) {
      await fs.writeFile(file, bytes.subarray(0, length));
      t.true(isDamage(await t.throwsAsync(read())), `${file} cut at ${length}`);
    }
    await fs.writeFile(file, bytes);
    await read();
  }
});

test('reflog: lines read back; any text fits in one', (t) => {
  const id = fc.option(fc.string().map(idOf), { nil: null });
  const text = fc.string({ unit: anyCharacter });
  fc.assert(
    fc.property(
      fc.record({ before: id, after: id, time: fc.nat(), who: text, reason: text }),
      (entry) => {
        const line = formatReflogLine(entry);
        t.is(line.indexOf('\n'), line.length - 1);
        const back = parseReflogLine(Buffer.from(line).toString().slice(0, -1));
        t.is(back?.before, entry.before);
        t.is(back?.after, entry.after);
        t.is(back?.time, entry.time);
      },
    ),
  );
});

test('reflog: every flipped byte of a line is found, the other lines stay', async (t) => {
  const layout = await tempRepo(t);
  const ids = ['a', 'b', 'c', 'd'].map(idOf);
  await locked(layout, async (lock) => {
    for (const [i, after] of ids.entries()) {
      await appendReflog(lock, 'HEAD', { before: ids[i - 1] ?? null, after, ...WHY });
    }
  });
  const file = layout.log('HEAD');
  const bytes = await fs.readFile(file);
  const start = bytes.indexOf('\n') + 1;
  const end = bytes.indexOf('\n', start);
  t.deepEqual(
    (await readReflog(layout, 'HEAD', ids[3]!)).entries.map((e) => e.after),
    ids,
  );
  for (let at = start; at < end; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 0x10;
    await fs.writeFile(file, flipped);
    const { entries, damaged } = await readReflog(layout, 'HEAD', ids[3]!);
    t.true(damaged.includes(2), `byte ${at}`);
    t.deepEqual(
      entries.map((e) => e.after),
      [ids[0], ids[2], ids[3]],
    );
  }
});

test('reflog: after a torn line the next one starts on its own', async (t) => {
  const layout = await tempRepo(t);
  const [a, b] = [idOf('a'), idOf('b')];
  const append = (before: typeof a | null, after: typeof a) =>
    locked(layout, (lock) => appendReflog(lock, 'HEAD', { before, after, ...WHY }));
  await append(null, a);
  await fs.appendFile(layout.log('HEAD'), 'half a li');
  await append(a, b);
  const { entries, damaged } = await readReflog(layout, 'HEAD', b);
  t.deepEqual(
    entries.map((e) => e.after),
    [a, b],
  );
  t.deepEqual(damaged, [2]);
});

test('reflog: a move that failed after its line was written is left out', async (t) => {
  const layout = await tempRepo(t);
  const [a, b, c] = [idOf('a'), idOf('b'), idOf('c')];
  await locked(layout, async (lock) => {
    await appendReflog(lock, 'HEAD', { before: null, after: a, ...WHY });
    await appendReflog(lock, 'HEAD', { before: a, after: b, ...WHY });
  });
  t.deepEqual(
    (await readReflog(layout, 'HEAD', a)).entries.map((e) => e.after),
    [a],
  );
  await locked(layout, (lock) => appendReflog(lock, 'HEAD', { before: a, after: c, ...WHY }));
  t.deepEqual(
    (await readReflog(layout, 'HEAD', c)).entries.map((e) => e.after),
    [a, c],
  );
});

test('state files: names and reasons with separators of lines are read back', async (t) => {
  const layout = await tempRepo(t);
  const branch = 'a\u2028b\u2029c';
  await locked(layout, async (lock) => {
    await writeHead(lock, { kind: 'branch', model: 'mnist', branch });
    const why = { ...WHY, reason: 'commit: one\u2028two\u0085three' };
    await updateRef(lock, {
      name: `refs/heads/mnist/${branch}`,
      before: null,
      after: idOf('v'),
      why,
    });
  });
  t.deepEqual(await readHead(layout), { kind: 'branch', model: 'mnist', branch });
  const log = await readReflog(layout, `refs/heads/mnist/${branch}`, idOf('v'));
  t.deepEqual([log.damaged, log.entries.length], [[], 1]);
});

test('state files: what its own reader refuses is an error of the writer', (t) => {
  const refuse = (): never => {
    throw new Error('unreadable');
  };
  t.throws(() => sealReadable('x\n', 'HEAD', refuse), {
    code: 'DLV_BUG',
    message: "cannot write 'HEAD': dlv could not read it again: unreadable",
  });
  t.deepEqual(
    sealReadable('x\n', 'HEAD', (text) => t.is(text, 'x\n')),
    seal('x\n'),
  );
});
