/** What errors of the disk say: the file that a person knows, what happened, and what to do. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { IoError } from '../../../../lib/base/errors.js';
import { appendLines } from '../../../../lib/base/files/append-lines.js';
import {
  io,
  ioError,
  ReadFile,
  WriteFile,
  writeFileAtomic,
} from '../../../../lib/base/files/files.js';
import { newOwnName } from '../../../../lib/base/files/process.js';
import { newTemporaryName } from '../../../../lib/base/files/temporary-name.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const real = { ...io };

/** Makes one primitive fail until the test is over. */
function fail(
  t: ExecutionContext,
  name: 'open' | 'write' | 'fsync' | 'rename',
  code: string,
): void {
  t.teardown(() => Object.assign(io, real));
  Object.assign(io, {
    [name]: () => Promise.reject(Object.assign(new Error(code), { code, syscall: name })),
  });
}

for (const name of ['open', 'write', 'fsync', 'rename'] as const) {
  test.serial(`files: a full disk at ${name} names the file that is written`, async (t) => {
    const file = path.join(await tempDir(t), 'state');
    await fs.writeFile(file, 'old');
    fail(t, name, 'ENOSPC');
    const error = await t.throwsAsync(writeFileAtomic(file, Buffer.from('new')), {
      instanceOf: IoError,
    });
    t.regex(error.message, new RegExp(`^cannot [a-z ]+ '${file}': the disk is full \\(ENOSPC\\)$`));
    t.is(error.data.file, file);
    t.is(error.data.errno, 'ENOSPC');
    t.regex(String(error.data.hint), /free some disk space/);
    Object.assign(io, real);
    t.is(await fs.readFile(file, 'utf8'), 'old');
    t.deepEqual(await fs.readdir(path.dirname(file)), ['state']);
  });
}

test.serial('files: a file that failed once names what it was to become', async (t) => {
  const target = path.join(await tempDir(t), 'state');
  const file = await WriteFile.createTemporary(target);
  fail(t, 'write', 'EIO');
  await t.throwsAsync(file.write(Buffer.from('x')), { message: /'.*\/state': the device failed/ });
  await t.throwsAsync(file.write(Buffer.from('x')), { message: /'.*\/state': an earlier write/ });
  await t.throwsAsync(file.syncAndClose(), { message: /'.*\/state': an earlier write failed/ });
});

test.serial('files: a file that cannot be opened for reading says which call failed', async (t) => {
  const file = path.join(await tempDir(t), 'weights');
  await fs.writeFile(file, 'w');
  t.teardown(() => Object.assign(io, real));
  for (const [call, word] of [
    ['datasync', 'flush'],
    ['stat', 'stat'],
  ] as const) {
    io.open = async (...args) => {
      const handle = await real.open(...args);
      const failing = () => Promise.reject(Object.assign(new Error(call), { code: 'EIO' }));
      return Object.assign(handle, { [call]: failing });
    };
    const message = new RegExp(`^cannot ${word} '.*/weights': the device failed`);
    await t.throwsAsync(ReadFile.openFlushed(file), { instanceOf: IoError, message });
  }
});

test.serial(
  'files: a log that has other names is replaced, and its own name is told',
  async (t) => {
    const log = path.join(await tempDir(t), 'log');
    await fs.writeFile(log, 'line\n');
    await fs.link(log, `${log}-other`);
    fail(t, 'write', 'ENOSPC');
    await t.throwsAsync(appendLines(log, 'next\n'), { message: /'.*\/log': the disk is full/ });
  },
);

test('files: an unfinished file, and the folder of a process, are told as where they are', (t) => {
  const error = Object.assign(new Error('full'), { code: 'ENOSPC' });
  const says = (file: string) => (ioError('create', file, error) as IoError).message;
  for (const name of [newTemporaryName(), `${newOwnName()}/add-0/set.blob`, newOwnName()]) {
    t.is(says(`/r/.dlv/tmp/${name}`), "cannot create '/r/.dlv/tmp': the disk is full (ENOSPC)");
  }
  t.is(says('/r/a.bin'), "cannot create '/r/a.bin': the disk is full (ENOSPC)");
});
