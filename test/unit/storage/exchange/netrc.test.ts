/** Logins of web servers from a file as curl reads it; they go to the host that they are for alone. */
import fs from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import test from 'ava';
import { HttpTransport } from '../../../../lib/storage/exchange/transports/http-transport.js';
import { findLogin, readLogin } from '../../../../lib/storage/exchange/transports/netrc.js';
import { listenUntilEnd } from '../../../helpers/loopback.js';
import { tempDir } from '../../../helpers/temp-dir.js';

test('netrc: entries of one or many lines, quotes, comments and macros', (t) => {
  const text = `# machine a.org login no password no
machine a.org login ada password s3cret
machine b.org
  login "bo b"
  password "say \\"hi\\""
macdef init
machine c.org login no password no

machine A.org login later password later
machine d.org password alone
default login any password any
machine e.org login after password default
`;
  t.deepEqual(findLogin(text, 'a.org'), { user: 'ada', password: 's3cret' });
  t.deepEqual(findLogin(text, 'A.ORG'), { user: 'ada', password: 's3cret' });
  t.deepEqual(findLogin(text, 'b.org'), { user: 'bo b', password: 'say "hi"' });
  t.is(findLogin(text, 'c.org'), null, 'it stands in a macro');
  t.deepEqual(findLogin(text, 'd.org'), { user: '', password: 'alone' });
  t.is(findLogin(text, 'f.org'), null, 'what is for any host is for no stranger');
  for (const broken of ['machine', 'machine a.org login', 'machine a.org password', '"', '\\']) {
    t.notThrows(() => findLogin(broken, 'a.org'), broken);
  }
});

test('netrc: a server is told the login of its host, which its address may replace', async (t) => {
  const dir = await tempDir(t);
  const file = path.join(dir, 'netrc');
  await fs.writeFile(file, 'machine 127.0.0.1 login ada password s3cret\n');
  const seen: (string | undefined)[] = [];
  const server = http.createServer((request, response) => {
    seen.push(request.headers.authorization);
    response.writeHead(404).end();
  });
  const url = `http://${await listenUntilEnd(t, server)}`;
  const ask = async (address: string, netrc: string): Promise<void> => {
    const transport = new HttpTransport(address, { env: { NETRC: netrc } });
    t.is(await transport.load('remote', 1000), null);
    await transport.close();
  };
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  await ask(url, file);
  await ask(url.replace('//', '//bob:other@'), file);
  await ask(url, path.join(dir, 'none'));
  await ask(url, dir);
  t.deepEqual(seen, [basic('ada:s3cret'), basic('bob:other'), undefined, undefined]);
  t.is(await readLogin('127.0.0.2', { NETRC: file }), null);
});
