/**
 * Golden files: what earlier builds wrote is written the same today and shown as it is in the docs.
 * UPDATE_GOLDEN=1 writes the files again, which a change of the format must say in docs/format.
 */
import fs from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeCanonical, encodeCanonical } from '../../../../lib/base/bytes/msgpack/msgpack.js';
import { seal } from '../../../../lib/base/bytes/sealed.js';
import { PathOrder } from '../../../../lib/pure/paths/version-path.js';
import { CURRENT_FORMAT, formatFormat } from '../../../../lib/storage/repo/format.js';
import { formatHead } from '../../../../lib/storage/repo/refs/head.js';
import { formatReflogLine } from '../../../../lib/storage/repo/refs/reflog.js';
import { formatNotes, formatRef } from '../../../../lib/storage/repo/refs/refs.js';
import { CONFIG_KEYS } from '../../../../lib/storage/repo/settings/config-keys.js';
import { changedEntry, Staging } from '../../../../lib/storage/repo/staging/staging.js';
import {
  decodeStaging,
  encodeStaging,
} from '../../../../lib/storage/repo/staging/staging-bytes.js';
import { buildTree } from '../../../../lib/storage/repo/version/build-tree.js';
import { packPage, unpackPage } from '../../../../lib/storage/repo/version/file-page.js';
import {
  decodeVersion,
  encodeVersion,
  versionId,
} from '../../../../lib/storage/repo/version/version-bytes.js';
import { hexdump, page } from '../../../helpers/golden.js';
import { fixture } from '../../../helpers/paths.js';
import { fileEntry, idOf, MemoryBlobs, makeVersion } from './memory-blobs.js';
import { WHY } from './temp-repo.js';

/**
 * Compares with the golden file, and the golden file with the page that shows it: as text, or as a dump
 * of a file that ends in `.bin`.
 */
function golden(t: ExecutionContext, name: string, bytes: Uint8Array, doc: string) {
  const shown = name.endsWith('.bin') ? hexdump(bytes) : Buffer.from(bytes).toString();
  const file = fixture('repo', name);
  if (process.env.UPDATE_GOLDEN === '1') {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, bytes);
    return t.pass('written; the page that shows it is compared in the next run');
  }
  t.deepEqual(Buffer.from(bytes), fs.readFileSync(file), name);
  t.true(page(doc).includes(shown), `docs/format/${doc} does not show ${name}:\n${shown}`);
}

async function sampleVersion() {
  const blobs = new MemoryBlobs();
  const files = [
    { ...fileEntry('model.safetensors', 'weights'), gitSha1: null },
    { ...fileEntry('run.sh', '#!/bin/sh\n'), mode: 0o755 as const },
  ];
  const key = 'model.safetensors';
  const snapshots = [{ key, role: 'weights' as const, step: 500, members: [key] }];
  return makeVersion({
    parents: [idOf('parent')],
    tree: await buildTree(files, snapshots, blobs),
    params: [{ name: 'lr', text: '0.001' }],
    metrics: [
      { name: 'acc', value: 0.5, step: null },
      { name: 'loss', value: 2, step: 500 },
    ],
    logs: [{ name: 'train.log', id: idOf('log'), bytes: 4096 }],
    git: { commit: '0123456789abcdef'.repeat(2).padEnd(40, '0'), dirty: false },
  });
}

test('golden: a version', async (t) => {
  const bytes = encodeVersion(await sampleVersion());
  golden(t, 'v1_version.bin', bytes, 'version.md');
  const old = fs.readFileSync(fixture('repo', 'v1_version.bin'));
  t.deepEqual(decodeVersion(old, 'version'), await sampleVersion());
  t.true(page('version.md').includes(versionId(bytes)));
});

test('golden: a page of files', (t) => {
  const files = [fileEntry('a.npy', '1'), fileEntry('b/index.json', '{}')];
  const members = ['a.npy', 'b/index.json'];
  const snapshots = [{ key: 'b/index.json', role: 'optimizer' as const, step: null, members }];
  const bytes = encodeCanonical(packPage({ files, snapshots }));
  golden(t, 'v1_files.bin', bytes, 'version.md');
  const old = decodeCanonical(fs.readFileSync(fixture('repo', 'v1_files.bin')), 'page');
  t.deepEqual(unpackPage(old, 'page', new PathOrder()), { files, snapshots });
});

test('golden: staging', (t) => {
  const staging = new Staging();
  const line = staging.open('mnist', 'main');
  line.base = idOf('base');
  line.sets = [{ id: '5e'.repeat(16), storedBytes: 70_000, metadataBytes: 300 }];
  staging.put('mnist', {
    ...fileEntry('model.safetensors', 'weights'),
    stat: {
      size: 7,
      mtimeNs: '1760000000000000000',
      ctimeNs: '1760000000000000001',
      inode: '42',
      mode: 0o100644,
    },
    stagedAtNs: '1760000001000000000',
    format: 'safetensors',
    step: null,
    hint: { references: [], roles: ['weights'] },
  });
  const bytes = encodeStaging(staging);
  golden(t, 'v1_staging.bin', bytes, 'staging.md');
  const back = decodeStaging(fs.readFileSync(fixture('repo', 'v1_staging.bin')), 'staging');
  t.deepEqual(
    back.entries('mnist').map((entry) => changedEntry(entry)),
    staging.entries('mnist'),
  );
});

test('golden: refs and the other small state files', (t) => {
  const [one, two] = [idOf('one'), idOf('two')];
  const texts: Record<string, string | Uint8Array> = {
    v1_ref: seal(formatRef(one)),
    v1_notes: seal(formatNotes([two, one])),
    v1_head: seal(formatHead({ kind: 'branch', model: 'mnist', branch: 'main' })),
    v1_head_detached: seal(formatHead({ kind: 'detached', model: 'mnist', id: one })),
    v1_format: seal(formatFormat(CURRENT_FORMAT)),
    v1_reflog: formatReflogLine({ before: null, after: one, ...WHY, reason: 'commit: first' }),
  };
  for (const [name, text] of Object.entries(texts)) {
    const bytes = Buffer.from(text);
    golden(t, name, bytes, 'refs.md');
  }
});

test('docs: the table of settings is that of the code', (t) => {
  const rows = Object.entries(CONFIG_KEYS).map(([key, spec]) => {
    const value = spec.default === null ? '' : `\`${spec.default}\``;
    const range = 'min' in spec ? `${spec.type}, ${spec.min} to ${spec.max}` : 'text';
    const sets = { yes: 'yes', trusted: 'if trusted', never: 'no' }[spec.repository];
    return `| \`${key}\` | ${range} | ${value} | ${sets} | ${spec.about} |`;
  });
  t.true(page('config.md').includes(`\n${rows.join('\n')}\n`), rows.join('\n'));
});
