/** Addresses of remotes: those that lead nowhere, no longer, or hold what nobody should see. */
import fs from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { encodeFormat, parseRemoteFormat } from '../../lib/storage/repo/format.js';
import type { PushResult } from '../../lib/use/ops/push.js';
import { dlv } from '../helpers/dlv.js';
import { listenUntilEnd } from '../helpers/loopback.js';
import { pushed, step } from '../helpers/remotes.js';
import type { Tensors } from '../helpers/safetensors.js';

test('push: a warning where a remote that was there is made anew: its drive may not be mounted', async (t) => {
  const { repo, url, tensors } = await pushed(t);
  await fs.rename(url, `${url}.away`);
  await step(repo, tensors[2] as Tensors, 1);
  const { created, warnings } = await repo.json<PushResult & { warnings: string[] }>('push');
  t.true(created);
  t.regex(
    warnings.join(),
    /branches of 'origin' were seen before, and nothing was at '.*team\.dlv'/,
  );
});

test('clone: a branch that the remote has not leaves nothing behind', async (t) => {
  const { top, url } = await pushed(t);
  const { code, stdout } = await dlv(['--json', 'clone', url, 'copy', '--branch', 'nope'], {
    cwd: top,
  });
  t.is(code, 1);
  t.regex(stdout, /it has net\/main/);
  t.false((await fs.readdir(top)).includes('copy'));
});

test('remote: addresses of other machines, and web addresses with keys in them, are refused', async (t) => {
  const { repo } = await pushed(t);
  for (const url of ['file://elsewhere/x', 'https://h/x?token=hunter3', 'http://h/x#hunter3']) {
    const { message } = await repo.fails(2, 'remote', 'add', 'web', url);
    t.notRegex(message, /hunter3/);
  }
  t.is((await repo.json<unknown[]>('remote')).length, 1);
});

test('remote: paths of Windows and half addresses are refused with what to write instead', async (t) => {
  const { repo } = await pushed(t);
  for (const url of ['C:\\models\\net.dlv', 'd:/models/net.dlv', '\\\\server\\net.dlv']) {
    const { message, data } = await repo.fails(2, 'push', url);
    t.regex(message, /path of Windows/);
    t.regex(data.hint ?? '', /mount/);
  }
  const { data } = await repo.fails(2, 'remote', 'add', 'web', 'http://');
  t.regex(data.hint ?? '', /http:\/\/host\/path/);
  t.deepEqual(
    (await fs.readdir(repo.dir)).filter((name) => /[\\:]/.test(name)),
    [],
  );
});

async function serve(
  t: ExecutionContext,
  folder: string,
  change: (bytes: Buffer, answer: http.ServerResponse) => Buffer,
): Promise<string> {
  const reply = async (
    request: http.IncomingMessage,
    answer: http.ServerResponse,
  ): Promise<void> => {
    const file = path.join(folder, request.url ?? '');
    const bytes = await fs.readFile(file).catch(() => null);
    if (bytes === null) answer.statusCode = 404;
    answer.end(bytes === null ? '' : change(bytes, answer));
  };
  const server = http.createServer((request, answer) => void reply(request, answer));
  return `http://${await listenUntilEnd(t, server)}`;
}

test('clone: a server that compresses, or gives pages, is told apart from a damaged repository', async (t) => {
  const { top, url } = await pushed(t);
  const gzip = await serve(t, url, (bytes, answer) => {
    answer.setHeader('content-encoding', 'gzip');
    return gzipSync(bytes);
  });
  const packed = await dlv(['--json', 'clone', gzip, 'copy'], { cwd: top });
  t.is(packed.code, 1);
  t.regex(packed.stdout, /compresses what it sends[\s\S]*switch compression off/);
  const page = await serve(t, url, () => Buffer.from('<html>please log in</html>'));
  const login = await dlv(['--json', 'clone', page, 'copy'], { cwd: top });
  t.is(login.code, 12);
  t.regex(login.stdout, /is not what a remote holds there/);
  t.regex(login.stdout, /with a browser/);
  t.notRegex(login.stdout, /fsck/);
  t.false((await fs.readdir(top)).includes('copy'));
});

test('clone, push: a remote of a newer dlv is named, not the repository here', async (t) => {
  const { repo, top, url } = await pushed(t);
  const file = path.join(url, 'format');
  const format = parseRemoteFormat(await fs.readFile(file), 'format');
  const readRequired = [...format.readRequired, 'quantum-2'].sort();
  await fs.writeFile(file, encodeFormat({ ...format, readRequired }, 'format'));
  for (const [args, cwd] of [
    [['clone', url, 'copy'], top],
    [['push'], repo.dir],
    [['fetch'], repo.dir],
  ] as const) {
    const { stdout } = await dlv(['--json', ...args], { cwd });
    t.regex(stdout, /cannot read the remote '.*': 'format' requires 'quantum-2'[\s\S]*upgrade dlv/);
  }
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
});

test('remote add: ~ that no shell has replaced is the home folder, and a folder of that name is ./~', async (t) => {
  const { repo } = await pushed(t);
  const added = async (name: string, url: string): Promise<string> =>
    (await repo.json<{ url: string }>('remote', 'add', name, url)).url;
  t.is(await added('home', '~/models.dlv'), path.join(os.homedir(), 'models.dlv'));
  t.is(await added('here', './~/models.dlv'), repo.file('~/models.dlv'));
  t.is(await added('other', '~ada/models.dlv'), repo.file('~ada/models.dlv'));
});
