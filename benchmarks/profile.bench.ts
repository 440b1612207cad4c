/**
 * Question: on what do an add and a checkout spend their processor time?
 *
 *     npm run bench:profile -- [--bytes N] [--dir D] [--no-write]
 *
 * Versions of a dense fp32 checkpoint are added, committed and the last one written back, each under
 * `perf record` (linux-tools). Every sample is counted once, by the first line of the table below whose
 * functions are on its stack. Writes docs/profile.md.
 */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { describeSetting, markdownTable, PROJECT_ROOT, runProcess, settingOf } from './harness.js';
import { makeSeries, placeVersion } from './peers/inputs.js';
import { firstLine } from './peers/process.js';

const DLV = path.join(PROJECT_ROOT, 'dist/bin/dlv.cjs');
const FREQUENCY = 1999;
const VERSIONS = 3;

interface Part {
  what: string;
  /** A function of which one is on the stack; null: the innermost function is meant. */
  functions: RegExp;
  innermost?: boolean;
}

/** In the order in which they are asked. */
const PARTS: readonly Part[] = [
  { what: 'writing files', functions: /^(ksys_write|__x64_sys_pwrite64|do_writev) / },
  { what: 'flushing files', functions: /^(do_fsync|__x64_sys_fsync|__x64_sys_fdatasync) / },
  { what: 'reading files', functions: /^(ksys_read|__x64_sys_pread64|vfs_read) / },
  { what: 'memory touched for the first time', functions: /^(asm_exc_page_fault|exc_page_fault) / },
  { what: 'sha256', functions: /^sha256_/, innermost: true },
  { what: 'checksums (CRC-32)', functions: /^(folded|crc32|crc_fold)/, innermost: true },
  {
    what: 'decoding, also to compare',
    functions: /^(rans_decode|undigits|reader_)/,
    innermost: true,
  },
  { what: 'classes of contexts, of both', functions: /^bulk_(classes|map)/, innermost: true },
  { what: 'splitting into planes, and merging', functions: /^(split|merge)_/, innermost: true },
  { what: 'encoding, and the rest of the kernel', functions: /kernel\.node/, innermost: true },
  { what: 'copies and comparisons elsewhere', functions: /^__mem/, innermost: true },
  { what: 'collecting garbage', functions: /(Marking|MarkCompact|Scaveng|Sweeper)/ },
  {
    what: 'compiling JavaScript',
    functions: /(OptimizingCompileDispatcher|Compiler::Compile|Parser::)/,
  },
  { what: 'starting Node', functions: /(InitializeOncePerProcess|Snapshot::|LoadEnvironment)/ },
];
const REST = 'JavaScript, Node and the rest of the system';

/** The part of a sample; `stack` has functions and where they are from, the innermost first. */
function partOf(stack: readonly string[]): string {
  const found = PARTS.find(({ functions, innermost }) =>
    innermost ? functions.test(stack[0] ?? '') : stack.some((name) => functions.test(name)),
  );
  return found?.what ?? REST;
}

/** Samples by part, from what `perf script` prints: an empty line after each stack. */
function countParts(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const block of text.split('\n\n')) {
    const stack = block
      .split('\n')
      .flatMap((line) => /^\s+[0-9a-f]+ (.+ \(.*\))$/.exec(line)?.[1] ?? []);
    if (stack.length === 0) continue;
    const names = stack.map((name) => name.replace(/\+0x[0-9a-f]+ /, ' '));
    const part = partOf(names);
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return counts;
}

interface Profile {
  what: string;
  seconds: number;
  parts: Map<string, number>;
}

const { values } = parseArgs({
  options: {
    bytes: { type: 'string' },
    dir: { type: 'string', default: path.join(os.tmpdir(), 'dlv-peers') },
    'no-write': { type: 'boolean', default: false },
  },
});
if ((await firstLine(['perf', '--version'])) === null) {
  throw new Error("there is no 'perf' here: install linux-tools");
}
const setting = settingOf(`npm run bench:profile -- ${process.argv.slice(2).join(' ')}`.trim());
const shrink = 342e6 / Number(values.bytes ?? 342e6);
await fs.mkdir(values.dir, { recursive: true });
const series = await makeSeries('dense', values.dir, shrink);
const tree = await fs.mkdtemp(path.join(values.dir, 'profile-'));
const env = {
  DLV_AUTHOR_NAME: 'Bench',
  DLV_AUTHOR_EMAIL: 'bench@example.org',
  NODE_EXTRA_CA_CERTS: '',
};

async function profile(what: string, args: readonly string[]): Promise<Profile> {
  const data = path.join(values.dir, `profile-${process.pid}.data`);
  const recording = ['record', '-q', '-F', `${FREQUENCY}`, '-g', '-o', data];
  try {
    await runProcess('perf', [...recording, process.execPath, DLV, '-q', ...args], {
      cwd: tree,
      env,
    });
    const script = ['script', '-F', 'ip,sym,dso', '-i', data];
    const parts = countParts((await runProcess('perf', script)).stdout);
    const samples = [...parts.values()].reduce((sum, count) => sum + count, 0);
    process.stderr.write(`${what}: ${samples} samples\n`);
    return { what, seconds: samples / FREQUENCY, parts };
  } finally {
    await fs.rm(data, { force: true });
  }
}

const profiles: Profile[] = [];
try {
  await runProcess(process.execPath, [DLV, '-q', 'init'], { cwd: tree, env });
  const names = ['add of the first', 'add of the second', 'add of the third'];
  for (const [at, files] of series.versions.slice(0, VERSIONS).entries()) {
    await placeVersion(tree, files);
    profiles.push(await profile(names[at] as string, ['add', '.']));
    const commit = [DLV, '-q', 'commit', '-m', `v${at}`];
    await runProcess(process.execPath, commit, { cwd: tree, env });
  }
  await fs.rm(path.join(tree, 'model.safetensors'));
  profiles.push(await profile('checkout of the third', ['restore', '.']));
} finally {
  await fs.rm(tree, { recursive: true, force: true });
}

const rows = [...PARTS.map(({ what }) => what), REST].map((what) => [
  what,
  ...profiles.map(({ parts, seconds }) => {
    const share = (100 * (parts.get(what) ?? 0)) / (seconds * FREQUENCY);
    return `${share.toFixed(share < 10 ? 1 : 0)} %`;
  }),
]);
rows.push(['processor time', ...profiles.map(({ seconds }) => `${seconds.toFixed(2)} s`)]);
const size = (await fs.stat(series.versions[0]?.[0]?.source as string)).size;
const text = [
  '# What an add and a checkout spend their time on',
  '',
  'Written by `npm run bench:profile`, which runs each command under `perf` and counts every sample once, by',
  'what its stack says. Shares are of processor time, summed over all threads.',
  '',
  `Versions of a dense fp32 checkpoint of ${Math.round(size / 1e6)} MB, every value changed by a thousandth of its`,
  'tensor’s spread. The first is stored alone, the second as a difference from it, the third from the second.',
  '',
  markdownTable([['', ...profiles.map(({ what }) => what)], ...rows]),
  '',
  describeSetting(setting),
  '',
].join('\n');
process.stdout.write(text);
if (!values['no-write'] && values.bytes === undefined) {
  await fs.writeFile(path.join(PROJECT_ROOT, 'docs/profile.md'), text);
}
