/** Pieces of speaking to buckets: addresses, the signature of Amazon's own example, profile files. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import {
  parseIni,
  readAwsSettings,
} from '../../../../lib/storage/exchange/transports/s3/aws-profile.js';
import {
  objectUrl,
  parseS3Address,
  placeOf,
} from '../../../../lib/storage/exchange/transports/s3/s3-address.js';
import { signS3 } from '../../../../lib/storage/exchange/transports/s3/s3-signature.js';
import { tempDir } from '../../../helpers/temp-dir.js';

const NOTHING = { endpoint: null, region: null, style: null };

function urlOf(address: string, name = 'remote', defaults = {}): string {
  return objectUrl(placeOf(parseS3Address(address), { ...NOTHING, ...defaults }), name).href;
}

test('s3: addresses lead where they say', (t) => {
  t.is(urlOf('s3://b-1/net'), 'https://b-1.s3.us-east-1.amazonaws.com/net/remote');
  t.is(urlOf('s3://b-1', 'packs/x.hi'), 'https://b-1.s3.us-east-1.amazonaws.com/packs/x.hi');
  t.is(urlOf('s3://b.c/net'), 'https://s3.us-east-1.amazonaws.com/b.c/net/remote');
  t.is(urlOf('s3://b-1/a//b/'), 'https://b-1.s3.us-east-1.amazonaws.com/a/b/remote');
  t.is(
    urlOf('s3://b-1/n?region=cn-north-1'),
    'https://b-1.s3.cn-north-1.amazonaws.com.cn/n/remote',
  );
  t.is(urlOf('s3://b-1/n?endpoint=http://h:9000'), 'http://h:9000/b-1/n/remote');
  t.is(urlOf('s3://b-1/n?endpoint=http://h:9000/s3/'), 'http://h:9000/s3/b-1/n/remote');
  t.is(urlOf('s3://b-1/n?endpoint=http://h:9000&style=virtual'), 'http://b-1.h:9000/n/remote');
  t.is(
    urlOf("s3://b-1/a b+c'(d)*"),
    'https://b-1.s3.us-east-1.amazonaws.com/a%20b%2Bc%27%28d%29%2A/remote',
  );
  t.is(urlOf('s3://b-1/n', '', { endpoint: 'http://h' }), 'http://h/b-1/');
  // The address is more particular than the surroundings.
  t.is(
    urlOf('s3://b-1/n?endpoint=http://own', 'x', { endpoint: 'http://other' }),
    'http://own/b-1/n/x',
  );
});

test("s3: the signature is that of Amazon's example", (t) => {
  // "Example: GET Object" of the documentation of Signature Version 4 for S3.
  const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt');
  const request = { method: 'GET', url, headers: { range: 'bytes=0-9' }, body: new Uint8Array(0) };
  const credentials = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: null,
    expiresMs: null,
  };
  const nowMs = Date.parse('2013-05-24T00:00:00Z');
  const headers = signS3(request, credentials, { region: 'us-east-1', nowMs });
  t.is(
    headers.authorization,
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
});

test('s3: profile files are read as AWS reads them', async (t) => {
  const text =
    '# c\n[default]\nregion=eu-west-1 # c\n\n[profile lab]\ns3 =\n  addressing_style = virtual\nregion = x\n';
  t.deepEqual(
    [...parseIni(text)].map(([name, values]) => [name, Object.fromEntries(values)]),
    [
      ['default', { region: 'eu-west-1' }],
      ['profile lab', { s3: '', 's3.addressing_style': 'virtual', region: 'x' }],
    ],
  );
  const home = await tempDir(t);
  await fs.mkdir(path.join(home, '.aws'));
  await fs.writeFile(
    path.join(home, '.aws', 'config'),
    `${text}\n[profile sso]\nsso_session = x\n`,
  );
  await fs.writeFile(
    path.join(home, '.aws', 'credentials'),
    '[lab]\naws_access_key_id = ID\naws_secret_access_key = SECRET=+/\naws_session_token = T\n',
  );
  const lab = await readAwsSettings({ HOME: home, AWS_PROFILE: 'lab' });
  t.like(lab, { region: 'x', style: 'virtual', endpoint: null });
  t.deepEqual(await lab.credentials(), {
    accessKeyId: 'ID',
    secretAccessKey: 'SECRET=+/',
    sessionToken: 'T',
    expiresMs: null,
  });
  const both = await readAwsSettings({
    HOME: home,
    AWS_PROFILE: 'lab',
    AWS_ACCESS_KEY_ID: 'E',
    AWS_SECRET_ACCESS_KEY: 'S',
    AWS_REGION: 'z',
    AWS_ENDPOINT_URL: 'http://h',
  });
  t.like(both, { region: 'z', endpoint: 'http://h' });
  t.is((await both.credentials()).accessKeyId, 'E');
  const sso = await readAwsSettings({ HOME: home, AWS_PROFILE: 'sso' });
  const error = await t.throwsAsync(sso.credentials(), { code: 'DLV_REMOTE' });
  t.regex(
    String((error as { data?: { hint?: string } }).data?.hint),
    /export-credentials --profile sso/,
  );
  t.is((await readAwsSettings({ HOME: path.join(home, 'none') })).region, null);
});
