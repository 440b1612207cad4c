/** Versions as one file: export, and what clone, fetch, pull and import make of it. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { sha256Hex } from '../../lib/base/bytes/hash.js';
import type { ExportResult } from '../../lib/use/ops/export.js';
import type { BundleContent, ImportBundleResult } from '../../lib/use/ops/import-bundle.js';
import type { PullResult } from '../../lib/use/ops/pull.js';
import type { TagEntry } from '../../lib/use/ops/tag.js';
import { dlvJson } from '../helpers/dlv.js';
import { fixture } from '../helpers/paths.js';
import { cloned, failingClone, filesBelow } from '../helpers/remotes.js';
import { TestRepository, threeVersions } from '../helpers/repository.js';
import { nudge, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

/** Three versions, and what every test makes of them. */
async function made(t: ExecutionContext) {
  const { repo, versions, tensors } = await threeVersions(t);
  const top = path.dirname(repo.dir);
  const bundle = (...args: string[]) => repo.json<ExportResult>('export', ...args);
  return { repo, versions, tensors, top, bundle };
}

async function empty(t: ExecutionContext, model = 'other'): Promise<TestRepository> {
  const dir = await tempDir(t);
  await dlvJson(['init', '--model', model], { cwd: dir });
  return new TestRepository(dir);
}

async function idsOf(repo: TestRepository, revision: string): Promise<string[]> {
  return (await repo.json<{ version: string }[]>('log', revision)).map(({ version }) => version);
}

async function sound(repo: TestRepository): Promise<unknown[]> {
  return (await repo.json<{ problems: unknown[] }>('fsck')).problems;
}

function statuses({ refs }: ImportBundleResult): string[] {
  return refs.map(({ name, status }) => `${name} ${status}`);
}

test('bundles: a clone of one has every version, tag, note and number, and follows the file', async (t) => {
  const { repo, tensors, top, bundle } = await made(t);
  await repo.json('tag', '-m', 'as printed', 'paper', 'net@2');
  const made1 = await bundle('--all', '-o', '../all.dlv');
  t.deepEqual(
    made1.refs.map(({ kind, name }) => `${kind} ${name}`),
    ['branch net/main', 'tag paper'],
  );
  t.is(made1.versions, 3);
  t.is((await fs.stat(path.join(top, 'all.dlv'))).size, made1.fileBytes as number);
  const { repo: copy } = await cloned(top, 'all.dlv', 'copy');
  t.deepEqual(await idsOf(copy, 'HEAD'), await idsOf(repo, 'HEAD'));
  for (const [i, values] of tensors.entries()) {
    await copy.json('checkout', `net@${i + 1}`, '--out', `../out-${i}`);
    const file = path.join(top, `out-${i}`, 'model.safetensors');
    t.is(Buffer.compare(await fs.readFile(file), safetensors(values)), 0);
  }
  const [tag] = await copy.json<TagEntry[]>('tag');
  t.deepEqual([tag?.tag, tag?.note?.message], ['paper', 'as printed']);
  t.deepEqual(await sound(copy), []);

  // A newer file of that name is the newer state of the remote.
  await repo.write('note.txt', 'four');
  await repo.commit('four');
  await bundle('--all', '-o', '../all.dlv');
  const pulled = await copy.json<PullResult>('pull');
  t.is(pulled.versions, 1);
  t.is(await copy.text('note.txt'), 'four');
  t.is((await copy.fails(2, 'push')).code, 'DLV_USAGE');
});

test('bundles: the same content gives the same bytes, and the repository stays as it is', async (t) => {
  const { repo, top, bundle } = await made(t);
  const before = await filesBelow(repo.file('.dlv'));
  await bundle('--all', '-o', '../a.dlv');
  await bundle('net', '-o', '../b.dlv');
  const [a, b] = [
    await fs.readFile(path.join(top, 'a.dlv')),
    await fs.readFile(path.join(top, 'b.dlv')),
  ];
  t.is(Buffer.compare(a, b), 0);
  t.deepEqual(await filesBelow(repo.file('.dlv')), before);
});

test('bundles: a dry run writes nothing and counts what would be written', async (t) => {
  const { top, bundle } = await made(t);
  const dry = await bundle('--all', '-n', '-o', '../x.dlv');
  t.is(dry.fileBytes, null);
  t.deepEqual((await fs.readdir(top)).sort(), ['net']);
  const real = await bundle('--all', '-o', '../x.dlv');
  t.deepEqual({ ...real, dryRun: true, fileBytes: null }, dry);
});

test('bundles: a thin one continues a whole one, and is refused where that is missing', async (t) => {
  const { repo, top, bundle } = await made(t);
  await bundle('net@2', '-o', '../two.dlv');
  const thin = await bundle('net/main', '--since', 'net@2', '-o', '../rest.dlv');
  const same = await bundle('net@2..net/main', '-o', '../range.dlv');
  t.deepEqual([thin.versions, thin.needs], [1, [(await idsOf(repo, 'net@2'))[0] as string]]);
  t.deepEqual({ ...same, path: '' }, { ...thin, path: '' });
  t.true((thin.fileBytes as number) < (await fs.stat(path.join(top, 'two.dlv'))).size);

  const other = await empty(t);
  const refused = await other.fails(1, 'import', path.join(top, 'rest.dlv'));
  t.is(refused.code, 'DLV_NOT_FOUND');
  t.deepEqual(refused.data.missing, thin.needs);
  t.deepEqual(await other.json('branch', '-a'), []);
  const clone = await failingClone(top, 'rest.dlv', 'copy');
  t.is(clone.code, 1);
  t.regex(clone.stdout, /after versions that are not here/);
  t.deepEqual((await fs.readdir(top)).sort(), ['net', 'range.dlv', 'rest.dlv', 'two.dlv']);

  const first = await other.json<ImportBundleResult>('import', path.join(top, 'two.dlv'));
  t.deepEqual([statuses(first), first.versions], [['net/main new'], 2]);
  const second = await other.json<ImportBundleResult>('import', path.join(top, 'rest.dlv'));
  t.deepEqual([statuses(second), second.versions], [['net/main updated'], 1]);
  t.deepEqual(await idsOf(other, 'net/main'), await idsOf(repo, 'HEAD'));
  t.deepEqual(await sound(other), []);
  await other.json('checkout', 'net/main', '--out', 'out');
  t.is(
    Buffer.compare(await other.read('out/model.safetensors'), await repo.read('model.safetensors')),
    0,
  );
});

test('bundles: what a thin one leaves out may be old: a return to the first weights takes no planes', async (t) => {
  const { repo, bundle } = await made(t);
  await repo.json('checkout', 'net@1', 'model.safetensors');
  await repo.commit('back to the first');
  const thin = await bundle('net', '--since', 'net@3', '-o', '../back.dlv');
  t.true(thin.bytes < 4096, `${thin.bytes} bytes`);
  t.is(thin.recoded, 0);
});

test('bundles: importing again changes nothing, and an older one moves nothing back', async (t) => {
  const { top, bundle } = await made(t);
  await bundle('net@2', '-o', '../old.dlv');
  await bundle('--all', '-o', '../new.dlv');
  const other = await empty(t);
  await other.json('import', path.join(top, 'new.dlv'));
  const before = await filesBelow(other.file('.dlv/refs'));
  for (const name of ['new.dlv', 'old.dlv']) {
    const again = await other.json<ImportBundleResult>('import', path.join(top, name));
    t.deepEqual([statuses(again), again.versions, again.bytes], [['net/main same'], 0, 0]);
  }
  t.deepEqual(await filesBelow(other.file('.dlv/refs')), before);
});

test('bundles: a dry import says what would come and takes nothing', async (t) => {
  const { top, bundle } = await made(t);
  await bundle('--all', '-o', '../all.dlv');
  const other = await empty(t);
  const file = path.join(top, 'all.dlv');
  const dry = await other.json<ImportBundleResult>('import', file, '--dry-run');
  t.deepEqual(await other.json('branch', '-a'), []);
  const real = await other.json<ImportBundleResult>('import', file);
  t.deepEqual({ ...real, dryRun: true }, dry);
});

test('bundles: a branch that HEAD is on is left for pull, one with versions of its own for merge', async (t) => {
  const { repo, tensors, top, bundle } = await made(t);
  await bundle('--all', '-o', '../all.dlv');
  await repo.json('reset', '--hard', 'net@2');
  const file = path.join(top, 'all.dlv');
  const import1 = await repo.dlv('--json', 'import', file);
  t.is(import1.code, 1);
  t.regex((JSON.parse(import1.stdout) as ImportBundleResult).refs[0]?.reason ?? '', /dlv pull/);
  t.is((await idsOf(repo, 'HEAD')).length, 2);
  await repo.json('pull', file);
  t.is((await idsOf(repo, 'HEAD')).length, 3);

  await repo.json('reset', '--hard', 'net@2');
  await repo.write('model.safetensors', safetensors(nudge(tensors[1]!, 1e-3, 99)));
  await repo.commit('of my own');
  const import2 = await repo.dlv('--json', 'import', file);
  t.is(import2.code, 1);
  t.regex(
    (JSON.parse(import2.stdout) as ImportBundleResult).refs[0]?.reason ?? '',
    /versions of their own/,
  );
  t.is((await idsOf(repo, 'HEAD')).length, 3);
  await repo.json('remote', 'add', 'other', file);
  await repo.json('fetch', 'other');
  await repo.json('merge', 'other/net/main', '--theirs', '**');
  t.is((await idsOf(repo, 'HEAD')).length, 5);
  t.deepEqual(await sound(repo), []);
});

test('bundles: names that cannot stand beside those here are left out, and said', async (t) => {
  const { repo, top, bundle } = await made(t);
  await repo.json('branch', 'wide');
  await repo.json('copy', 'net', 'twin');
  await bundle('--all', '-o', '../all.dlv');
  const other = await empty(t);
  await other.write('a.txt', 'a');
  await other.commit('a');
  await other.json('tag', 'twin');
  t.is((await other.dlv('import', path.join(top, 'all.dlv'))).code, 1);
  await other.json('branch', '-D', 'net/wide');
  await other.json('branch', 'net/wide/er', 'net/main');
  const result = await other.dlv('--json', 'import', path.join(top, 'all.dlv'));
  const refs = (JSON.parse(result.stdout) as ImportBundleResult).refs;
  const rejected = refs.filter(({ status }) => status === 'rejected');
  t.deepEqual(rejected.map(({ name }) => name).sort(), ['net/wide', 'twin/main']);
  t.deepEqual(await sound(other), []);
});

test('bundles: --list needs no repository, and says what a thin one needs', async (t) => {
  const { repo, top, bundle } = await made(t);
  const { needs } = await bundle('net@2..net/main', '-o', '../thin.dlv');
  const content = await dlvJson<BundleContent>(['import', '--list', 'thin.dlv'], { cwd: top });
  const [version = ''] = await idsOf(repo, 'HEAD');
  t.deepEqual(content.refs, [{ kind: 'branch', name: 'net/main', version }]);
  t.deepEqual([content.needs, content.head, content.notes], [needs, 'net/main', 0]);
});

test('bundles: nothing that is no bundle is replaced or read', async (t) => {
  const { repo, top } = await made(t);
  const kept = await repo.read('model.safetensors');
  t.is((await repo.fails(1, 'export', '--all', '-o', 'model.safetensors')).code, 'DLV_EXISTS');
  t.is((await repo.fails(1, 'export', '--all', '-o', '.')).code, 'DLV_EXISTS');
  t.is((await repo.fails(1, 'export', '--all', '-o', 'no/x.dlv')).code, 'DLV_NOT_FOUND');
  t.is((await repo.fails(2, 'export', '-o', 'x.dlv')).code, 'DLV_USAGE');
  t.is((await repo.fails(2, 'export', '--all', 'net', '-o', 'x.dlv')).code, 'DLV_USAGE');
  t.is(
    (await repo.fails(1, 'export', 'net', '--since', 'net', '-o', 'x.dlv')).code,
    'DLV_NOT_FOUND',
  );
  t.is((await repo.fails(1, 'export', 'net@1', 'net@2', '-o', 'x.dlv')).code, 'DLV_CONFLICT');
  t.is((await repo.fails(1, 'import', 'model.safetensors')).code, 'DLV_REMOTE');
  t.is((await repo.fails(1, 'import', 'no.dlv')).code, 'DLV_NOT_FOUND');
  t.is(Buffer.compare(await repo.read('model.safetensors'), kept), 0);
  t.deepEqual((await fs.readdir(top)).sort(), ['net']);
  await repo.json('export', '--all', '--force', '-o', 'model.safetensors');
  t.is((await repo.json<BundleContent>('import', '-l', 'model.safetensors')).refs.length, 1);
});

test('bundles: damage here is found before anything is written', async (t) => {
  const { repo, top } = await made(t);
  const packs = repo.file('.dlv/packs');
  for (const name of await fs.readdir(packs)) {
    if (!name.endsWith('.hi')) continue;
    const bytes = await fs.readFile(path.join(packs, name));
    bytes[bytes.length - 5]! ^= 4;
    await fs.writeFile(path.join(packs, name), bytes);
  }
  t.is((await repo.fails(12, 'export', '--all', '-o', '../x.dlv')).code, 'DLV_CORRUPT');
  t.deepEqual((await fs.readdir(top)).sort(), ['net']);
});

test('bundles: what a forgotten version was in does not bring it back unasked', async (t) => {
  const { repo, top, bundle } = await made(t);
  await bundle('--all', '-o', '../all.dlv');
  await repo.json('forget', '--force', 'net@2');
  await repo.json('switch', '-c', 'elsewhere');
  const refused = await repo.dlv('--json', 'import', path.join(top, 'all.dlv'));
  t.is(refused.code, 1);
  t.regex((JSON.parse(refused.stdout) as ImportBundleResult).refs[0]?.reason ?? '', /forgotten/);
});

test('bundles: files that were given up are not in one, and everything else is', async (t) => {
  const { repo, tensors, top, bundle } = await made(t);
  await repo.json('keep', '--versions', 'last 1');
  const made1 = await bundle('--all', '-o', '../kept.dlv');
  t.deepEqual([made1.versions, made1.givenUp], [3, 2]);
  await repo.json('gc', '--prune=now');
  const made2 = await bundle('--all', '-o', '../collected.dlv');
  t.deepEqual({ ...made2, path: made1.path }, made1);
  t.regex(
    (await repo.dlv('export', '--all', '-n', '-o', '../x.dlv')).stderr,
    /2 versions were given up: they would not be in it/,
  );
  const other = await empty(t);
  const file = path.join(top, 'kept.dlv');
  const dry = await other.json<ImportBundleResult>('import', file, '--dry-run');
  t.deepEqual({ ...(await other.json<ImportBundleResult>('import', file)), dryRun: true }, dry);
  t.deepEqual(await sound(other), []);
  t.is((await other.fails(1, 'cat', 'net@1:model.safetensors')).code, 'DLV_GIVEN_UP');
  await other.json('checkout', 'net@3', '--out', 'out');
  t.is(Buffer.compare(await other.read('out/model.safetensors'), safetensors(tensors[2]!)), 0);
  // A clone of leading planes reads just those of a bundle.
  const { result } = await cloned(top, 'kept.dlv', 'few', '--planes', '1');
  t.true(result.bytes < made1.bytes, `${result.bytes} of ${made1.bytes}`);
});

test('bundles: one that was written when the form was new is read', async (t) => {
  const dir = await tempDir(t);
  const file = path.join(dir, 'v1.dlv');
  await fs.copyFile(fixture('format', 'v1_bundle.dlv'), file);
  const { repo } = await cloned(dir, file, 'copy');
  t.deepEqual(await sound(repo), []);
  const found = [];
  for (const { version, model, number, message } of await repo.json<
    { version: string; model: string; number: number; message: string }[]
  >('log')) {
    await repo.json('checkout', version, '--out', `../out-${number}`);
    const files = await filesBelow(path.join(dir, `out-${number}`));
    const sums = [...files].map(([name, bytes]) => `${name} ${sha256Hex(bytes).slice(0, 16)}`);
    found.push({ version, name: `${model}@${number}`, message, files: sums.sort() });
  }
  const golden = JSON.parse(await fs.readFile(fixture('format', 'v1_bundle.json'), 'utf8'));
  t.deepEqual(found, golden.versions);
  const tags = await repo.json<TagEntry[]>('tag');
  t.deepEqual(
    tags.map(({ tag, note }) => [tag, note?.message ?? null]),
    golden.tags,
  );
});
