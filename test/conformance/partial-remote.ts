/**
 * What partial clones of any remote promise: less travels, what is left out comes when it is needed, and every byte on
 * the line is in the report.
 */
import type { ExecutionContext } from 'ava';
import type { CloneResult } from '../../lib/use/ops/clone.js';
import type { FetchResult } from '../../lib/use/ops/fetch.js';
import type { FsckOpResult } from '../../lib/use/ops/fsck.js';
import { dlvJson } from '../helpers/dlv.js';
import { cloned } from '../helpers/remotes.js';
import type { TestRepository } from '../helpers/repository.js';

/** A remote of versions 1 … n of `net`, each with `model.safetensors` and `state.opt`. */
export interface CountedRemote {
  /** Where clones are made. */
  readonly top: string;
  readonly address: string;
  /** The model file of each version. */
  readonly files: readonly Buffer[];
  /** All bytes that the server got and gave. */
  wire(): { received: number; sent: number };
}

type Counted = Pick<FetchResult, 'receivedBytes' | 'sentBytes'>;

/** Tells this remote's clones apart from those of another one below the same folder. */
let remotes = 0;

/** Clones a remote whole and in each kind of part, and brings the rest. */
export async function checkPartialRemote(
  t: ExecutionContext,
  remote: CountedRemote,
): Promise<void> {
  const { top, address, files, wire } = remote;
  const label = `part${remotes++}`;
  /** Runs something whose report has to say what crossed the line. @returns the bytes that came. */
  const counted = async <T>(
    what: string,
    run: () => Promise<T>,
    reportOf: (done: T) => Counted,
  ): Promise<T> => {
    const before = wire();
    const done = await run();
    const after = wire();
    const { receivedBytes, sentBytes } = reportOf(done);
    t.is(receivedBytes, after.sent - before.sent, what);
    t.is(sentBytes, after.received - before.received, what);
    return done;
  };
  const clone = (name: string, ...flags: string[]) =>
    counted(
      `clone ${flags.join(' ')}`,
      () => cloned(top, address, `${label}-${name}`, ...flags),
      ({ result }) => result,
    );
  const silent = async (action: () => Promise<unknown>): Promise<void> => {
    const before = wire();
    await action();
    t.deepEqual(wire(), before);
  };
  const exact = async (repo: TestRepository, n: number, ...flags: string[]): Promise<void> => {
    const { stdoutBytes, stderr } = await repo.dlv(...flags, 'cat', `net@${n}:model.safetensors`);
    t.true(stdoutBytes.equals(files[n - 1] as Buffer), `version ${n} ${stderr}`);
  };
  const sizes: Record<string, number> = {};
  const sizeOf = (name: string, { receivedBytes }: CloneResult): void => {
    sizes[name] = receivedBytes;
  };

  sizeOf('whole', (await clone('whole')).result);

  const planes = await clone('planes', '--planes', '2');
  sizeOf('planes', planes.result);
  t.true((sizes.planes as number) < 0.5 * (sizes.whole as number), JSON.stringify(sizes));
  const half = planes.repo;
  await silent(async () => {
    await half.json('--no-fetch', 'checkout', 'net@1', '--planes', '2', '--out', '../rough');
    await half.json('log');
    await half.json('--no-fetch', 'diff', 'net@1', 'net@2');
    const refused = await half.fails(1, '--no-fetch', 'checkout', 'net@1', '--out', '../none');
    t.regex(refused.message, /\([\d.]+ [KM]iB\).*'origin'.*--no-fetch/);
  });
  await exact(half, 2);
  await silent(() => exact(half, 2, '--no-fetch'));
  await counted(
    'fetch --planes all',
    () => half.json<FetchResult[]>('fetch', '--planes', 'all'),
    ([fetched]) => fetched as FetchResult,
  );
  await silent(async () => {
    for (const n of files.keys()) await exact(half, n + 1, '--no-fetch');
  });
  const { problems, promised } = await half.json<FsckOpResult>('fsck');
  t.deepEqual({ problems, promised }, { problems: [], promised: [] });

  const depth = await clone('depth', '--depth', '1');
  sizeOf('depth', depth.result);
  const only = await clone('only', '--only', '*.safetensors');
  sizeOf('only', only.result);
  t.true((sizes.depth as number) < (sizes.whole as number), JSON.stringify(sizes));
  t.true((sizes.only as number) < (sizes.whole as number), JSON.stringify(sizes));
  await silent(() => exact(depth.repo, files.length, '--no-fetch'));
  await exact(depth.repo, 1);
  t.deepEqual(only.result.written, ['model.safetensors']);
  await silent(() => only.repo.json('--no-fetch', 'status'));
  t.true((await only.repo.dlv('cat', 'HEAD:state.opt')).stdoutBytes.length > 0);
  const none = await dlvJson<FetchResult[]>(['fetch', '--planes', 'all', '--depth', 'all'], {
    cwd: depth.repo.dir,
  });
  t.is(none.length, 1);
  for (const { repo } of [depth, only]) {
    t.deepEqual((await repo.json<FsckOpResult>('fsck')).problems, []);
  }
}
