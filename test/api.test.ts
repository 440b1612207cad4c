/**
 * The public API: its export list is pinned, docs/api.md names every method, and the examples of
 * that page compile and run as they stand, against the package as it is installed.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { TINY_CHAIN, trainChain } from '../benchmarks/train/chain.js';
import * as errors from '../lib/base/errors.js';
import * as dlv from '../lib/index.js';
import { PROJECT_ROOT } from './helpers/paths.js';
import { randomTensors, safetensors } from './helpers/safetensors.js';
import { tempDir } from './helpers/temp-dir.js';

const VALUES =
  'AbortedError AmbiguousError BugError ChangedError ConfigError ConflictError CorruptError ' +
  'DlvError ExistsError FormatVersionError GivenUpError InferenceError IoError LimitError LockedError ' +
  'NoRepositoryError NotFoundError RemoteError TierError TruncatedError UnsafeError UsageError about clone fsck ' +
  'init open';

const TYPES =
  'About AddOptions AddResult AddedFile ArchiveOptions ArchiveResult ArchivedSnapshot ' +
  'BranchChange BranchDeletion BranchEntry Budget CallOptions CellValue CheckoutOptions ' +
  'CheckoutResult CheckpointDiff CloneOptions CommitOptions CommitResult ComparedMetric ComparedNetwork ' +
  'ComparedValue Comparison ConfigEntry ' +
  'ConstructedVersion ConstructionOptions ConstructionResult CopyOptions CopyResult DescOptions DescResult DescribedLayer DescribedNetworkFile ' +
  'DetachOptions DetachResult DiffOptions DiffResult DuOptions DuResult ErrorCode ErrorData ' +
  'EvalComparison EvalMetric EvalOptions EvalResult EvalVersion ExportOptions ExportResult BundledRef FetchOptions FetchResult ' +
  'FileDiff ForgetOptions ForgetResult FsckOptions FsckResult GcOptions GcRemoteOptions ' +
  'GcRemoteResult GcResult GroupCell ' +
  'GroupRow Id ImportBundleOptions ImportBundleResult ImportKind ImportOptions ImportResult InitOptions KeepOptions KeepRemoteOptions KeepRemoteResult KeepResult KeepVersionsOptions KeepVersionsResult KeptEvaluation KeptThere KeptVersion RecallOptions RecallRemoteResult RecallResult KeptCheckpoint Level Limit Lineage ' +
  'LayerDrift ListOptions ListedModel ListedTensor ListedVersion LoadOptions LoadResult LoadedTensor ' +
  'LogOptions ManyDiffResult MergeOptions MergeResult MetricPoint MetricValues ModelDeletion ' +
  'ModelRenaming ModelStatus MvOptions MvResult OtherSnapshot PairDiff ParamValues Paths ProgressSink PullOptions PullResult PushOptions ' +
  'ProgressiveLayer ProgressiveOptions ProgressiveResult ProgressiveStage ' +
  'PushResult ReflogLine ReflogOptions RemoteChange RemoteEntry Repository ResetOptions ' +
  'ResetResult RestoreOptions RestoreResult RevertOptions RevertResult RmOptions RmResult ' +
  'QueryResult QueryResultRow QueryVersion ShowFileResult ShowResult ShownCheckpoint ShownFile ShownSeries ShownTag SnapshotDiff StashEntry ' +
  'StashPushOptions StashResult StatusResult StudyOptions StudyPlan StudyResult StudyTrial SwitchOptions SwitchResult TagChange TagEntry TagMessage ' +
  'TensorDiff TensorValue Tier TierOptions TierResult TypedValues VersionSummary VersionTable ' +
  'VersionsOptions Warned';

test('api: exports these names and no others', async (t) => {
  t.is(Object.keys(dlv).sort().join(' '), VALUES);
  const classes = Object.values(errors).filter((value) => {
    return typeof value === 'function' && value.prototype instanceof errors.DlvError;
  });
  for (const { name } of classes as { name: string }[]) t.true(name in dlv, name);
  const source = await fs.readFile(path.join(PROJECT_ROOT, 'lib', 'index.ts'), 'utf8');
  const names = [...source.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)]
    .flatMap(([, list]) => (list as string).split(','))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/^\w+ as /, ''),
    )
    .filter((name) => name !== '');
  t.deepEqual(names.sort(), `${VALUES} ${TYPES}`.split(' ').sort());
});

test('api: every method is in docs/api.md, and nothing else', async (t) => {
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs', 'api.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(\w+)\(/gm)].map(([, name]) => name as string);
  await using repo = await dlv.init(await tempDir(t));
  const methods = new Set<string>();
  for (
    let at = Object.getPrototypeOf(repo);
    at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && !INTERNAL.has(name)) methods.add(name);
    }
  }
  t.deepEqual(documented.sort(), [...methods].sort());
});

/** Protected methods: TypeScript keeps them from callers. */
const INTERNAL = new Set(['constructor', 'call', 'ask', 'context']);

/** A folder in which 'dlv' is an installed package. */
async function installed(t: ExecutionContext): Promise<string> {
  const dir = await tempDir(t);
  await fs.mkdir(path.join(dir, 'node_modules'));
  await fs.symlink(PROJECT_ROOT, path.join(dir, 'node_modules', 'dlv'), 'junction');
  return dir;
}

/** Compiles all .mts files of a folder. @returns what the compiler says of them. */
async function compile(dir: string): Promise<string> {
  const compilerOptions = {
    strict: true,
    target: 'ES2022',
    lib: ['ES2023', 'ESNext.Disposable'],
    module: 'NodeNext',
    typeRoots: [path.join(PROJECT_ROOT, 'node_modules', '@types')],
    types: ['node'],
    skipLibCheck: true,
    noEmitOnError: true,
  };
  const config = JSON.stringify({ compilerOptions, include: ['*.mts'] });
  await fs.writeFile(path.join(dir, 'tsconfig.json'), config);
  const compiler = path.join(PROJECT_ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  return (await run([compiler, '-p', '.'], dir)).stdout;
}

/** Runs a script of Node. */
function run(args: string[], cwd: string): Promise<{ code: number | null; stdout: string }> {
  const env = { ...process.env, NO_COLOR: '1', DLV_CONFIG: path.join(cwd, '.no-config') };
  const child = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let stdout = '';
  child.stdout.on('data', (bytes: Buffer) => {
    stdout += bytes;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout })));
}

test('api: the examples of docs/api.md', async (t) => {
  const page = await fs.readFile(path.join(PROJECT_ROOT, 'docs', 'api.md'), 'utf8');
  const examples = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(
    ([, text]) => text as string,
  );
  t.true(examples.length >= 5);
  const dir = await installed(t);
  const files = examples.map((_, i) => path.join(dir, `example-${i}.mts`));
  for (const [i, file] of files.entries()) await fs.writeFile(file, examples[i] as string);
  t.is(await compile(dir), '');
  // The reader trains on between the first two.
  const chain = await trainChain({ ...TINY_CHAIN, steps: 40, checkpoints: [20, 40] });
  for (const [i, file] of files.entries()) {
    const checkpoint = chain[Math.min(i, 1)]?.weights as Uint8Array;
    await fs.writeFile(path.join(dir, 'model.safetensors'), checkpoint);
    const { code, stdout } = await run([file.replace(/mts$/, 'mjs')], dir);
    t.is(code, 0, file);
    const prints = [...(examples[i] as string).matchAll(/\/\/ prints (.*)$/gm)];
    t.deepEqual(stdout.trimEnd().split('\n'), prints.map(([, text]) => text) as string[]);
  }
});

test('api: errors are of the table, whatever went wrong, and hold no internals', async (t) => {
  const dir = await tempDir(t);
  await t.throwsAsync(dlv.open(dir), { instanceOf: dlv.NoRepositoryError });
  const repo = await dlv.init(dir, { model: 'm' });
  await t.throwsAsync(repo.tag('v1'), { instanceOf: dlv.NotFoundError });
  const never = AbortSignal.abort();
  await fs.writeFile(path.join(dir, 'a.bin'), 'a');
  await t.throwsAsync(repo.add('a.bin', { signal: never }), { instanceOf: dlv.AbortedError });
  // @ts-expect-error a level that is none
  const error = await t.throwsAsync(repo.add('a.bin', { level: 'most' }), {
    instanceOf: dlv.UsageError,
  });
  const shown = JSON.parse(JSON.stringify(error)) as Record<string, unknown>;
  t.deepEqual(Object.keys(shown), ['code', 'message', 'data']);
  t.notRegex(error?.message ?? '', /\n| at /);
  // What a mistake of a caller brings up is told as one of the table as well.
  await t.throwsAsync(repo.add(5 as never), { instanceOf: dlv.DlvError });
  await repo.close();
  await repo.close();
  await t.throwsAsync(repo.status(), { instanceOf: dlv.UsageError, message: /closed/ });
});

test('api: settings, branches, tags and warnings of one open repository', async (t) => {
  const dir = await tempDir(t);
  const heard: string[] = [];
  await using repo = await dlv.init(dir, { model: 'm', onWarning: (text) => heard.push(text) });
  await repo.setConfig('init.branch', 'trunk');
  await fs.writeFile(path.join(dir, 'm.safetensors'), safetensors(randomTensors({ a: [4] }, 1)));
  await fs.symlink('m.safetensors', path.join(dir, 'link'));
  const { warnings } = await repo.add('.');
  t.is(warnings.length, 1);
  t.deepEqual(heard, warnings);
  const { version } = await repo.commit({ message: 'one', params: { deep: true } });
  const [only] = await repo.log();
  t.like(only, { version, params: { deep: true } });
  await repo.tag('v1');
  await repo.branch('side');
  t.deepEqual(
    (await repo.branches()).map(({ branch }) => branch),
    ['main', 'side'],
  );
  t.like(await repo.switch('side'), { branch: 'side' });
  t.is(await repo.resolve('v1'), version);
  // A setting holds from the next call on.
  t.like(await repo.copy('v1', 'other'), { branch: 'trunk' });
  t.like(await repo.setConfig('init.branch', null), { value: 'main', origin: 'default' });
});

test('api: a tensor that two files have is told apart by path', async (t) => {
  const dir = await tempDir(t);
  await using repo = await dlv.init(dir, { model: 'm' });
  for (const [i, name] of ['a', 'b'].entries()) {
    const bytes = safetensors(randomTensors({ w: [8, 8], [name]: [2] }, i));
    await fs.writeFile(path.join(dir, `${name}.safetensors`), bytes);
  }
  await repo.add('.');
  await repo.commit({ message: 'two' });
  const { w } = randomTensors({ w: [8, 8] }, 1);
  await t.throwsAsync(repo.readTensor('HEAD', 'w'), { instanceOf: dlv.AmbiguousError });
  await t.throwsAsync(repo.readTensor('HEAD', 'v'), { instanceOf: dlv.NotFoundError });
  const { data } = await repo.readTensor('HEAD', 'w', { path: 'b.safetensors' });
  t.deepEqual(new Float32Array(data.buffer), w?.values as Float32Array);
  t.is((await repo.readTensor('HEAD', 'a')).shape[0], 2);
});

test('api: a text where a list is meant is a list of one, as JavaScript may write it', async (t) => {
  const dir = await tempDir(t);
  await using repo = await dlv.init(dir, { model: 'm' });
  await fs.writeFile(path.join(dir, 'm.safetensors'), safetensors(randomTensors({ abc: [4] }, 1)));
  await repo.add('.');
  const { version } = await repo.commit({ message: 'one', metrics: { loss: 1 } });
  const one = { revisions: 'HEAD', paths: 'm.safetensors' } as never;
  t.is((await repo.log(one))[0]?.version, version);
  t.is((await repo.diff({ revisions: 'HEAD' } as never)).same, true);
  const table = await repo.versions({ sort: '-loss', columns: 'loss' } as never);
  t.deepEqual(table.columns, ['metrics.loss']);
  t.deepEqual([...(await repo.load('HEAD', { names: 'abc' } as never)).tensors.keys()], ['abc']);
  for (const wrong of ['HEAD', ['HEAD'], null]) {
    await t.throwsAsync(repo.log(wrong as never), { instanceOf: dlv.UsageError });
  }
});
