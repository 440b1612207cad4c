/**
 * Question: what do push, clone and fetch of one version cost beside tools that share every file whole, and beside a
 * plain copy of the same packs?
 *
 *     npm run bench:remotes -- [--versions N] [--bytes N] [--dir D] [--no-write] [--only NAMES]
 *     npm run bench:remotes -- --history N [--size small|medium] [--remote FOLDER]
 *
 * A line of dense updates of one checkpoint. All but the last version are pushed to an empty remote and cloned, with all
 * versions; then the last one is pushed and pulled. Remotes are folders on one disk, and for dlv also a bucket of a
 * store in this process, which counts what crosses the line. Rivals: git-lfs with a folder remote, DVC
 * (DLV_PEER_DVC), rclone copy and cp of dlv's packs. Those that are not installed are skipped, with a line that says so. With --history, a
 * clone of N versions beside cp of its packs (remotes/history.ts); with --remote, of those that a folder holds already.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type S3Server, s3Env, serveBuckets } from '../test/helpers/s3-server.js';
import { writeCheckpoint } from './data/checkpoint.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  markdownTable,
  publish,
  settingOf,
} from './harness.js';
import { type HistorySource, runHistory } from './remotes/history.js';
import {
  bytesBelow,
  dlvOver,
  RIVALS,
  type SharingTool,
  type Step,
  sha256Of,
} from './remotes/sharing.js';

const STEPS = ['first push', 'clone', 'push of one', 'fetch of one'] as const;

interface Row extends Step {
  tool: string;
  step: (typeof STEPS)[number];
  /** Bytes that the receiving side grew by, or that crossed the line to a bucket. */
  bytes: number;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function runTool(
  tool: SharingTool,
  top: string,
  files: readonly string[],
  server: S3Server | null,
): Promise<Row[]> {
  const dir = await fs.mkdtemp(path.join(top, 'run-'));
  const shared = tool.open(dir);
  const rows: Row[] = [];
  const target = path.join(shared.from, 'model.safetensors');
  const measure = async (
    name: (typeof STEPS)[number],
    folder: string | null,
    run: () => Promise<Step>,
  ): Promise<void> => {
    const line = (): number => {
      const { received = 0, sent = 0 } = server?.wire() ?? {};
      return received + sent;
    };
    const before = folder === null ? line() : await bytesBelow(folder);
    const taken = await run();
    const bytes = (folder === null ? line() : await bytesBelow(folder)) - before;
    rows.push({ tool: tool.name, step: name, bytes, ...taken });
    say(`${tool.name}: ${name} ${formatSeconds(taken.seconds)}, ${formatBytes(bytes)}`);
  };
  const commit = async (version: number): Promise<void> => {
    await fs.rm(target, { force: true });
    await fs.copyFile(files[version] as string, target);
    await shared.commit(version);
  };
  await shared.init();
  const last = files.length - 1;
  for (let version = 0; version < last; version++) await commit(version);
  const store = shared.remote === null ? null : shared.store;
  await measure('first push', shared.remote, () => shared.push());
  await measure('clone', store, () => shared.clone());
  await commit(last);
  await measure('push of one', shared.remote, () => shared.push());
  await measure('fetch of one', store, () => shared.pull());
  if (tool.knowsVersions) {
    const got = await sha256Of(path.join(shared.to, 'model.safetensors'));
    if (got !== (await sha256Of(files[last] as string)))
      throw new Error(`${tool.name}: other bytes came`);
  }
  await fs.rm(dir, { recursive: true, force: true });
  return rows;
}

/** A clone of many versions. */
async function mainHistory(source: HistorySource, dir: string, isKept: boolean): Promise<void> {
  const { versions, size } = source;
  const setting = settingOf(`npm run bench:remotes -- --history ${versions} --size ${size}`);
  const top = await fs.mkdtemp(path.join(dir, 'history-'));
  try {
    const run = await runHistory(top, source);
    const table = [
      ['what', 'bytes', 'seconds', 'processor time'],
      ...run.rows.map(({ what, bytes, seconds, cpuSeconds }) => [
        what,
        bytes === 0 ? '–' : formatBytes(bytes),
        formatSeconds(seconds),
        formatSeconds(cpuSeconds),
      ]),
    ];
    const text = [
      `${versions} versions of ${formatBytes(run.heldBytes / versions)}, every value changed a little each time. One run.`,
      '',
      markdownTable(table),
      '',
      describeSetting(setting),
    ].join('\n');
    process.stdout.write(`${text}\n`);
    const name = size === 'small' ? 'remotes-history' : `remotes-history-${size}`;
    if (isKept) await publish(name, { setting, ...run }, text, 'remotes');
  } finally {
    await fs.rm(top, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      versions: { type: 'string', default: '8' },
      bytes: { type: 'string', default: '24000000' },
      dir: { type: 'string', default: os.tmpdir() },
      only: { type: 'string' },
      'no-write': { type: 'boolean', default: false },
      history: { type: 'string' },
      size: { type: 'string', default: 'small' },
      remote: { type: 'string' },
    },
  });
  if (values.history !== undefined) {
    const { size, remote = null } = values;
    const source = { versions: Number(values.history), size, remote };
    await mainHistory(source, values.dir, !values['no-write']);
    return;
  }
  const setting = settingOf('npm run bench:remotes');
  const top = await fs.mkdtemp(path.join(values.dir, 'remotes-'));
  const ended: (() => void)[] = [];
  const rows: Row[] = [];
  const skipped: string[] = [];
  const tools: Record<string, string> = {};
  try {
    const files: string[] = [];
    for (let steps = 0; steps < Number(values.versions); steps++) {
      const file = path.join(top, `v${steps}.safetensors`);
      await writeCheckpoint(file, {
        bytes: Number(values.bytes),
        change: steps === 0 ? 0 : 0.002,
        steps,
      });
      files.push(file);
    }
    const server = await serveBuckets({ teardown: (end) => void ended.push(end as () => void) });
    const { AWS_ENDPOINT_URL: endpoint, ...keys } = s3Env(server.url);
    Object.assign(process.env, keys);
    const own = [
      dlvOver('dlv, folder', (dir) => path.join(dir, 'team.dlv'), true),
      dlvOver('dlv, bucket', () => `s3://models/net?endpoint=${endpoint}`, false),
    ];
    for (const tool of [...own, ...RIVALS]) {
      if (values.only !== undefined && !values.only.split(',').includes(tool.name)) continue;
      const version = await tool.version();
      if (version === null) {
        skipped.push(tool.name);
        say(`SKIPPED: ${tool.name} is not installed (${tool.hint})`);
        continue;
      }
      tools[tool.name] = version;
      rows.push(...(await runTool(tool, top, files, tool.name === 'dlv, bucket' ? server : null)));
    }
  } finally {
    for (const end of ended) end();
    await fs.rm(top, { recursive: true, force: true });
  }
  const table = [['step', 'tool', 'bytes', 'requests', 'seconds', 'processor time']];
  for (const step of STEPS) {
    for (const row of rows.filter((one) => one.step === step)) {
      const { tool, bytes, requests, seconds, cpuSeconds } = row;
      const counted = requests === null ? '–' : String(requests);
      table.push([
        step,
        tool,
        formatBytes(bytes),
        counted,
        formatSeconds(seconds),
        formatSeconds(cpuSeconds),
      ]);
    }
  }
  const about =
    `${values.versions} versions of ${formatBytes(Number(values.bytes))}, every value changed a little each time; ` +
    `${Number(values.versions) - 1} in the first push and the clone. One run; bytes are what the receiving folder ` +
    'grew by, for the bucket all that crossed its connections, both ways. Requests to a folder are files opened. What ' +
    'dlv receives it decodes and compares with its ids before it is visible; the others trust what they copied.';
  const known = Object.entries(tools).map(([name, version]) => `${name}: ${version}`);
  const missing =
    skipped.length === 0 ? [] : ['', `Skipped, not installed: ${skipped.join(', ')}.`];
  const text = [
    about,
    '',
    markdownTable(table),
    '',
    `${known.join('; ')}.`,
    ...missing,
    '',
    describeSetting(setting),
  ].join('\n');
  process.stdout.write(`${text}\n`);
  if (!values['no-write']) await publish('remotes', { setting, tools, skipped, rows }, text);
}

await main();
