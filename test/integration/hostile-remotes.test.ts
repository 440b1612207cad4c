/** Remotes of strangers: whatever they hold, nothing of it becomes visible here, and nothing outside is touched. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type BlobKind, type Id, objectId } from '../../lib/base/bytes/hash.js';
import { seal, unseal } from '../../lib/base/bytes/sealed.js';
import {
  decodeRemote,
  encodeRemote,
  type RemoteState,
} from '../../lib/storage/exchange/remote/remote-file.js';
import { FolderBackend } from '../../lib/storage/store/backends/folder-backend.js';
import { encodeManifest } from '../../lib/storage/store/manifest.js';
import { packName } from '../../lib/storage/store/names.js';
import { ObjectStore } from '../../lib/storage/store/object-store.js';
import { PackSetWriter } from '../../lib/storage/store/packs/pack-writer.js';
import {
  type BlobRecord,
  PLANE_CLASSES,
  type SegmentRecord,
  type SetInfo,
} from '../../lib/storage/store/types.js';
import { type DlvResult, dlv } from '../helpers/dlv.js';
import { cloned, failingClone, filesBelow, pushed } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';

async function readState(url: string): Promise<RemoteState> {
  return decodeRemote(await fs.readFile(path.join(url, 'remote')), 'remote');
}

async function writeState(url: string, state: RemoteState): Promise<void> {
  await fs.writeFile(path.join(url, 'remote'), encodeRemote(state));
}

interface Records {
  blobs: BlobRecord[];
  segments: SegmentRecord[];
}

/** Writes all records of a remote anew, changed, into one set with sound checksums. */
async function rewrite(url: string, change: (records: Records) => void): Promise<void> {
  const state = await readState(url);
  const sets = state.lines.flatMap((line) => (line.kind === 'set' ? [line.info] : []));
  const backend = new FolderBackend(url);
  await backend.writeAtomic('manifest', encodeManifest({ generation: 0, sets }));
  const store = await ObjectStore.open(backend);
  const records: Records = { blobs: [], segments: [] };
  for await (const { id } of store.blobs()) {
    records.blobs.push((await store.readBlob(id)) as BlobRecord);
  }
  for await (const { id, segment } of store.segments()) {
    records.segments.push((await store.readSegment(id, segment, PLANE_CLASSES)) as SegmentRecord);
  }
  change(records);
  const writer = await PackSetWriter.create(backend, 'tmp');
  for (const record of records.blobs) await writer.addBlob(record);
  for (const record of records.segments) await writer.addSegment(record);
  const { info, files } = await writer.finish();
  for (const [fileClass, name] of Object.entries(files)) {
    await backend.rename(name, packName(info.id, fileClass as 'hi'));
  }
  await store.close();
  await writeState(url, { ...state, lines: [{ kind: 'set', info }] });
}

function setsOf(state: RemoteState): SetInfo[] {
  return state.lines.flatMap((line) => (line.kind === 'set' ? [line.info] : []));
}

/** Each spoils a remote in its own way; some need more than its address. */
const ATTACKS: Record<string, (url: string) => Promise<void>> = {
  'an extent with the planes of another': (url) =>
    rewrite(url, ({ segments }) => {
      const segment = segments[0] as SegmentRecord;
      segment.hi = new Uint8Array(segment.hi).map((byte, i) => (i > 40 ? byte ^ 1 : byte));
    }),
  'a blob with other bytes': (url) =>
    rewrite(url, ({ blobs }) => {
      const raw = blobs.find(({ kind }) => kind === 'blob') as BlobRecord;
      raw.payload = new Uint8Array(raw.payload).fill(65);
    }),
  'a version under the id of another': (url) =>
    rewrite(url, ({ blobs }) => {
      const [a, b] = blobs.filter(({ kind, base }) => kind === 'version' && base === null);
      const kept = (a as BlobRecord).id;
      if (b === undefined) (a as BlobRecord).payload = new Uint8Array(0);
      else {
        (a as BlobRecord).id = b.id;
        b.id = kept;
      }
    }),
  'deltas whose bases lead in a circle': (url) =>
    rewrite(url, ({ segments }) => {
      const [a, b] = segments as [SegmentRecord, SegmentRecord];
      Object.assign(a, { base: b.id, depth: 1 });
      Object.assign(b, { base: a.id, depth: 1 });
    }),
  'a delta of itself': (url) =>
    rewrite(url, ({ segments }) => {
      const [a] = segments as [SegmentRecord];
      Object.assign(a, { base: a.id, depth: 1 });
    }),
  'a missing extent': (url) => rewrite(url, ({ segments }) => void segments.splice(0, 1)),
  'a missing recipe': (url) =>
    rewrite(url, ({ blobs }) => {
      const at = blobs.findIndex(({ kind }) => kind === 'recipe');
      blobs.splice(at, 1);
    }),
  'a missing parent': (url) =>
    rewrite(url, ({ blobs }) => {
      const at = blobs.findIndex(({ kind }) => kind === 'version');
      blobs.splice(at, 1);
    }),
  'a branch of a version that is nowhere': async (url) => {
    const state = await readState(url);
    state.refs.set('refs/heads/net/main', 'ab'.repeat(32) as Id);
    await writeState(url, state);
  },
  'a branch that names a recipe': async (url) => {
    const state = await readState(url);
    const backend = new FolderBackend(url);
    await backend.writeAtomic('manifest', encodeManifest({ generation: 0, sets: setsOf(state) }));
    const store = await ObjectStore.open(backend);
    for await (const { id } of store.blobs('recipe')) state.refs.set('refs/heads/net/main', id);
    await store.close();
    await writeState(url, state);
  },
  'a pack that is cut': async (url) => {
    for (const info of setsOf(await readState(url))) {
      const file = path.join(url, packName(info.id, 'hi'));
      await fs.truncate(file, info.bytes.hi - 7);
    }
  },
  'a pack with a flipped bit': async (url) => {
    for (const info of setsOf(await readState(url))) {
      const file = path.join(url, packName(info.id, 'hi'));
      const bytes = await fs.readFile(file);
      bytes[bytes.length - 9] = (bytes[bytes.length - 9] as number) ^ 8;
      await fs.writeFile(file, bytes);
    }
  },
  'bytes of no record': async (url) => {
    const state = await readState(url);
    for (const info of setsOf(state)) {
      await fs.appendFile(path.join(url, packName(info.id, 'blob')), 'more');
      info.bytes.blob += 4;
    }
    await writeState(url, state);
  },
  'an index of other records': async (url) => {
    for (const info of setsOf(await readState(url))) {
      const file = path.join(url, packName(info.id, 'idx'));
      const bytes = await fs.readFile(file);
      bytes[100] = (bytes[100] as number) ^ 1;
      await fs.writeFile(file, bytes);
    }
  },
  'a pack that is gone': async (url) => {
    for (const info of setsOf(await readState(url)))
      await fs.rm(path.join(url, packName(info.id, 'hi')));
  },
  'sizes beyond the disk': async (url) => {
    const state = await readState(url);
    for (const info of setsOf(state)) info.bytes.low = 2 ** 47;
    await writeState(url, state);
  },
  'a list that is not what its name says': async (url) => {
    const state = await readState(url);
    state.lists.push({ sha256: 'cd'.repeat(32), lines: 1, bytes: 100 });
    await fs.mkdir(path.join(url, 'lists'), { recursive: true });
    await fs.writeFile(path.join(url, 'lists', 'cd'.repeat(32)), seal('dlv list 1\n'));
    await writeState(url, state);
  },
  'a set that is listed twice': async (url) => {
    const state = await readState(url);
    await writeState(url, { ...state, lines: [...state.lines, ...state.lines] });
  },
  'a note that is a version': async (url) => {
    const state = await readState(url);
    const version = state.refs.get('refs/heads/net/main') as Id;
    state.lines.push({ kind: 'note', version, note: version });
    await writeState(url, state);
  },
  'links in place of its files': async (url) => {
    for (const info of setsOf(await readState(url))) {
      const file = path.join(url, packName(info.id, 'hi'));
      await fs.rename(file, path.join(url, '..', `${info.id}.elsewhere`));
      await fs.symlink(path.join(url, '..', `${info.id}.elsewhere`), file);
    }
  },
  'a format of the future': async (url) => {
    const file = path.join(url, 'format');
    const text = unseal(await fs.readFile(file), 'format');
    await fs.writeFile(file, seal(text.replace('remote-1', 'remote-1 zz-9')));
  },
  'no format': (url) => fs.rm(path.join(url, 'format')),
  'a ref that leads out of refs': async (url) => {
    const file = path.join(url, 'remote');
    const text = unseal(await fs.readFile(file), 'remote');
    await fs.writeFile(file, seal(text.replace('refs/heads/net/main', 'refs/heads/../../../x')));
  },
};

/** What is visible in a repository: refs, listed sets, work files. */
async function visible(repo: TestRepository): Promise<unknown> {
  const packs = [...(await filesBelow(path.join(repo.dir, '.dlv', 'packs'))).keys()];
  return {
    packs: packs.filter((name) => !name.startsWith('.git')),
    manifest: await fs.readFile(path.join(repo.dir, '.dlv', 'manifest'), 'utf8'),
    remotes: await repo.json('branch', '-r'),
    own: await repo.json('branch', '--all'),
  };
}

async function spoiled(t: ExecutionContext, attack: (url: string) => Promise<void>) {
  const made = await pushed(t);
  await attack(made.url);
  return made;
}

/** A failure says once whose fault it is: nothing here is damaged. */
function blames(t: ExecutionContext, { code, stdout, stderr }: DlvResult, url: string): void {
  t.true([1, 12, 13].includes(code), `${code} ${stdout}${stderr}`);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  t.not(error.code, 'DLV_BUG');
  t.is(error.message.split(url).length, 2, error.message);
}

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`hostile remote: ${what}`, async (t) => {
    const { top, url } = await spoiled(t, attack);
    const failed = await failingClone(top, url, 'copy');
    blames(t, failed, url);
    // The same into a repository that has versions of its own.
    await fs.mkdir(path.join(top, 'own'));
    const own = new TestRepository(path.join(top, 'own'));
    await own.json('init');
    await own.write('a.txt', 'mine');
    await own.commit('mine');
    await own.json('remote', 'add', 'origin', url);
    const before = await visible(own);
    blames(t, await own.dlv('--json', 'fetch'), url);
    t.deepEqual(await visible(own), before);
    t.deepEqual((await own.json<{ problems: unknown[] }>('fsck')).problems, []);
    t.deepEqual(
      (await fs.readdir(top)).filter((name) => !KNOWN.test(name)),
      [],
    );
  });
}

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`hostile remote, cloned in part: ${what}`, async (t) => {
    const { top, url } = await spoiled(t, attack);
    for (const [name, flags] of [
      ['half', ['--planes', '2']],
      ['shallow', ['--depth', '1', '--only', '*.safetensors']],
    ] as const) {
      const made = await dlv(['--json', 'clone', url, name, ...flags], { cwd: top });
      t.true([0, 1, 12, 13].includes(made.code), `${made.code} ${made.stdout}${made.stderr}`);
      t.notRegex(made.stdout, /DLV_BUG/);
      if (made.code !== 0) continue;
      // What is wrong stands in what was left out: it is met when it is asked for, and not taken.
      const repo = new TestRepository(path.join(top, name));
      t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
      for (const args of [
        ['fetch', '--planes', 'all', '--depth', 'all'],
        ['checkout', 'net@1', '--out', '../half-out'],
      ]) {
        const asked = await repo.dlv('--json', ...args);
        t.true([0, 1, 12, 13].includes(asked.code), `${asked.code} ${asked.stdout}`);
        t.notRegex(asked.stdout, /DLV_BUG/);
      }
      t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
    }
  });
}

test('hostile remote: damage is that of the remote also where some records of a set are taken', async (t) => {
  for (const fileClass of ['idx', 'blob', 'hi', 'mid', 'low'] as const) {
    const { repo, top, url } = await pushed(t);
    const [{ id, bytes: sizes } = t.fail() as never] = setsOf(await readState(url));
    if (sizes[fileClass] === 0) continue;
    await repo.json('tag', 'first', 'net@1');
    await repo.json('push', 'origin', 'first');
    const file = path.join(url, packName(id, fileClass));
    const bytes = await fs.readFile(file);
    await fs.writeFile(
      file,
      new Uint8Array(bytes).map((byte, i) => (i > 60 ? byte ^ 1 : byte)),
    );
    await fs.mkdir(path.join(top, 'own'));
    const own = new TestRepository(path.join(top, 'own'));
    await own.json('init', '--model', 'net');
    const before = await visible(own);
    // The first version alone: not all of the set is needed.
    blames(t, await own.dlv('--json', 'fetch', url, 'first'), url);
    t.deepEqual(await visible(own), before);
  }
});

test('hostile remote: low planes that are not those of the extent are not taken', async (t) => {
  const { top, url } = await pushed(t);
  // Sound checksums over other bytes: only the id tells.
  await rewrite(url, ({ segments }) => {
    for (const segment of segments) {
      if (segment.low.length === 0) continue;
      segment.low = new Uint8Array(segment.low).map((byte) => byte ^ 1);
    }
  });
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  for (const args of [
    ['fetch', '--planes', 'all'],
    ['checkout', 'net@1', '--out', '../out'],
    ['cat', 'HEAD:model.safetensors'],
  ]) {
    t.is((await repo.fails(12, ...args)).code, 'DLV_CORRUPT', args.join(' '));
  }
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
  await repo.json('checkout', 'net@1', '--planes', '2', '--out', '../rough');
});

test('hostile remote: low planes that change after the clone are refused', async (t) => {
  const { top, url } = await pushed(t);
  const { repo } = await cloned(top, url, 'half', '--planes', '2');
  await rewrite(url, ({ segments }) => {
    for (const segment of segments) {
      segment.low = new Uint8Array(segment.low).map((byte) => byte ^ 255);
      segment.mid = new Uint8Array(segment.mid).map((byte) => byte ^ 255);
    }
  });
  t.is((await repo.fails(12, 'fetch', '--planes', 'all')).code, 'DLV_CORRUPT');
  t.deepEqual((await repo.json<{ problems: unknown[] }>('fsck')).problems, []);
  await repo.json('checkout', 'net@1', '--planes', '2', '--out', '../rough');
});

const KNOWN = /^(net|own|copy|team\.dlv|[0-9a-f]{32}\.elsewhere)$/;

test('hostile remote: escapes in messages and names do not reach the terminal', async (t) => {
  const { repo, top, url } = await pushed(t);
  await repo.write('note.txt', 'again');
  await repo.commit('\u001b[31mred\u001b]0;title\u0007');
  await repo.json('push');
  const { repo: copy } = await cloned(top, url, 'copy');
  const control = /\u001b|\u0007/;
  for (const args of [['log'], ['branch', '-vv'], ['branch', '-r'], ['fetch', '-v'], ['status']]) {
    const { stdout, stderr } = await copy.dlv(...args);
    t.notRegex(stdout + stderr, control, args.join(' '));
  }
});

test('hostile remote: a record cannot take the place of one that is here', async (t) => {
  const { repo, top, url } = await pushed(t);
  const { repo: copy } = await cloned(top, url, 'copy');
  const before = await copy.read('model.safetensors');
  // The same keys with other content, and a version that asks for them.
  await repo.write('new.txt', 'new');
  await repo.commit('new');
  await repo.json('push');
  await rewrite(url, ({ segments, blobs }) => {
    for (const segment of segments) segment.hi = new Uint8Array(segment.hi).fill(7);
    const text = Buffer.from('new') as Uint8Array;
    t.truthy(blobs.find(({ id }) => id === objectId('blob' as BlobKind, text)));
  });
  await copy.dlv('fetch');
  await fs.rm(copy.file('model.safetensors'));
  await copy.json('restore', 'model.safetensors');
  t.is(Buffer.compare(await copy.read('model.safetensors'), before), 0);
  t.deepEqual((await copy.json<{ problems: unknown[] }>('fsck')).problems, []);
});
