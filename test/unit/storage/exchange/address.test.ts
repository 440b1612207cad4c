/** Addresses of remotes as people write them: what they mean, and those that mean nothing. */
import test from 'ava';
import { keptUrl, parseAddress } from '../../../../lib/storage/exchange/open-remote.js';

test('addresses: folders are absolute, whatever way they are written', (t) => {
  for (const url of ['../net.dlv', '/models/net.dlv', 'file:///models/net.dlv'])
    t.deepEqual(
      parseAddress(url, '/models/work'),
      { kind: 'folder', folder: '/models/net.dlv' },
      url,
    );
  t.is(keptUrl('/models/two words', '/'), 'file:///models/two%20words');
  t.deepEqual(parseAddress('file:///models/two%20words', '/'), {
    kind: 'folder',
    folder: '/models/two words',
  });
});

test('addresses: a name that holds the end of a text is refused by every verb', (t) => {
  for (const url of [
    'file:///models/a%00b',
    'http://127.0.0.1:9/a%00b',
    's3://bucket/a%00b',
    '/models/a\0b',
  ]) {
    t.throws(() => parseAddress(url, '/'), { code: 'DLV_USAGE' }, url);
    t.throws(() => keptUrl(url, '/'), { code: 'DLV_USAGE' }, url);
  }
});
