/**
 * What goes away under a command that is running: the command reads the list again, and goes on with what is
 * listed now. It is stopped at an open of a pack file, each time at another one, and another command runs.
 */
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { DlvError } from '../../lib/base/errors.js';
import { io } from '../../lib/base/files/files.js';
import { archive } from '../../lib/use/ops/archive.js';
import { cat } from '../../lib/use/ops/cat.js';
import { checkout } from '../../lib/use/ops/checkout.js';
import { clone } from '../../lib/use/ops/clone.js';
import { diff } from '../../lib/use/ops/diff.js';
import { exportVersions } from '../../lib/use/ops/export.js';
import { fetch } from '../../lib/use/ops/fetch.js';
import { fsck } from '../../lib/use/ops/fsck.js';
import { gc } from '../../lib/use/ops/gc.js';
import { merge } from '../../lib/use/ops/merge.js';
import { push } from '../../lib/use/ops/push.js';
import type { Repository } from '../../lib/use/repository.js';
import { dlvJson } from '../helpers/dlv.js';
import { isSound, isWhole, largeRemote, SHAPES, type Test } from '../helpers/partial.js';
import { cloned } from '../helpers/remotes.js';
import { TestRepository } from '../helpers/repository.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';

const DETACH = ['detach', '--planes', '2'] as const;
/** Every so many opens a command is stopped; 1 tries each. */
const STEP = Number(process.env.DLV_TAKEN_STEP ?? 5);

interface Place {
  repo: TestRepository;
  top: string;
  url: string;
  files: readonly Buffer[];
}

type Command = (t: Test, place: Place, opened: Repository) => Promise<void>;

/**
 * Runs another command at the n-th open of a pack file of a repository, from 1, or the next one without the lock: it
 * would only wait. @returns how many opens there were.
 */
async function atOpen(
  { repo, n }: { repo: TestRepository; n: number },
  command: () => Promise<void>,
  other: readonly string[],
): Promise<number> {
  const packs = path.join(repo.dir, '.dlv', 'packs') + path.sep;
  const lock = repo.file('.dlv/lock');
  const real = io.open;
  let opens = 0;
  let isDone = false;
  let isOther = false;
  io.open = async (file, flags, mode) => {
    if (!isOther && file.startsWith(packs)) opens++;
    if (!isDone && opens >= n && !existsSync(lock)) {
      isDone = isOther = true;
      await repo.json(...other);
      isOther = false;
    }
    return real(file, flags, mode);
  };
  try {
    await command();
  } finally {
    io.open = real;
  }
  return opens;
}

/** Stops a command at opens of pack files, each time in a place of its own. */
async function atOpens(
  t: Test,
  command: Command,
  { make, other }: { make: () => Promise<Place>; other: readonly string[] },
): Promise<void> {
  let stops = 0;
  for (let n = 1, opens = n; n <= opens; n += STEP) {
    const place = await make();
    const { repo, files } = place;
    await repo.with(async (opened) => {
      opens = await atOpen({ repo, n }, () => command(t, place, opened), other);
    });
    await isSound(t, repo);
    await isWhole(t, repo, files);
    stops++;
  }
  t.true(stops > 0);
}

const COMMANDS: Record<string, Command> = {
  cat: async (t, { repo, files }, opened) => {
    const found: Buffer[] = [];
    const sink = async (bytes: Uint8Array): Promise<boolean> => found.push(Buffer.from(bytes)) > 0;
    await cat(opened, { revision: 'net@1', path: 'model.safetensors' }, sink, repo.context);
    t.true(Buffer.concat(found).equals(files[0] as Buffer));
  },
  checkout: async (t, { repo, top, files }, opened) => {
    await checkout(opened, { revision: 'net@2', out: '../two' }, repo.context);
    const found = await fs.readFile(path.join(top, 'two', 'model.safetensors'));
    t.true(found.equals(files[1] as Buffer));
  },
  diff: async (t, { repo }, opened) => {
    const found = await diff(opened, { revisions: ['net@1', 'net@3'] }, repo.context);
    t.is(found.files.length, 2);
  },
  export: async (t, { repo, top, files }, opened) => {
    await exportVersions(opened, { out: '../all.dlv', all: true }, repo.context);
    await dlvJson(['clone', 'all.dlv', 'other'], { cwd: top });
    await isWhole(t, new TestRepository(path.join(top, 'other')), files);
  },
  push: async (t, { repo, top, files }, opened) => {
    await push(opened, { remote: path.join(top, 'second.dlv'), all: true }, repo.context);
    await dlvJson(['clone', 'second.dlv', 'other'], { cwd: top });
    await isWhole(t, new TestRepository(path.join(top, 'other')), files);
  },
  archive: async (_, { repo }, opened) => {
    await archive(opened, {}, repo.context);
  },
  gc: async (_, { repo }, opened) => {
    await gc(opened, {}, repo.context);
  },
  fsck: async (t, { repo }) => {
    t.deepEqual((await fsck(repo.context)).problems, []);
  },
};

for (const [name, command] of Object.entries(COMMANDS)) {
  test.serial(`${name}: what detach takes away meanwhile is fetched`, async (t) => {
    t.timeout(600_000);
    await atOpens(t, command, { make: () => largeRemote(t), other: DETACH });
  });
}

for (const other of [['fetch', '--planes', 'all'], ['gc'], DETACH]) {
  test.serial(`cat in a partial clone goes on beside ${other.join(' ')}`, async (t) => {
    t.timeout(600_000);
    const make = async (): Promise<Place> => {
      const { url, top, files } = await largeRemote(t);
      const { repo } = await cloned(top, url, 'half', '--planes', '2');
      // Then sets of tensors alone are here, which lose files and keep their names.
      if (other[0] !== 'fetch') await isWhole(t, repo, files);
      return { repo, top, url, files };
    };
    await atOpens(t, COMMANDS.cat as Command, { make, other });
  });
}

/** That what a command could not do is none of the remote's faults. */
function isNoDamage(t: Test, error: unknown, message: RegExp): void {
  if (!(error instanceof DlvError)) throw error;
  t.regex(error.message, message);
  t.not(error.code, 'DLV_CORRUPT');
  t.notRegex(String(error.data.hint), /new address/);
}

test.serial(
  'merge: stores nothing that needs what detach took away, or says to run it again',
  async (t) => {
    t.timeout(600_000);
    const combine = { method: 'average' } as const;
    const command: Command = async (_, { repo }, opened) => {
      const how = { revisions: ['net@1'], combine, fastForward: 'never' } as const;
      await merge(opened, how, repo.context).catch((error: unknown) => {
        isNoDamage(t, error, /left to a remote, meanwhile/);
      });
    };
    await atOpens(t, command, { make: () => largeRemote(t), other: DETACH });
  },
);

test.serial('a clone of a folder whose owner detaches is told so, and of no damage', async (t) => {
  t.timeout(600_000);
  const { repo, top, url, files } = await largeRemote(t);
  const place = { repo, top, url, files };
  const command: Command = async () => {
    const context = { ...repo.context, cwd: top };
    const error = await t.throwsAsync(clone(context, { url: 'net', dir: 'other' }));
    isNoDamage(t, error, /is a partial clone: some of its content is at 'origin'/);
  };
  await repo.with((opened) => atOpen({ repo, n: 1 }, () => command(t, place, opened), DETACH));
  await dlvJson(['clone', 'team.dlv', 'third'], { cwd: top });
  await isWhole(t, new TestRepository(path.join(top, 'third')), files);
});

test.serial('fetch: bases that detach takes away here are no damage of the remote', async (t) => {
  t.timeout(600_000);
  const next = safetensors(nudge(randomTensors(SHAPES, 1), 1e-3, 7));
  const make = async (): Promise<Place> => {
    const { repo, url, top, files } = await largeRemote(t);
    const { repo: other } = await cloned(top, url, 'other');
    await other.write('model.safetensors', next);
    await other.commit('next');
    await other.json('push', 'origin');
    return { repo, url, top, files: [...files, next] };
  };
  const command: Command = async (_, { repo }, opened) => {
    await fetch(opened, {}, repo.context);
    await repo.json('merge', 'origin/net/main');
  };
  await atOpens(t, command, { make, other: DETACH });
});
