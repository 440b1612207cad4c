/**
 * The test command: runs ava over the compiled tests and ends with the line `N passed, N failed`.
 *
 * Usage: node dist/test/run.js [--slow] [--apart] [--busy] [--costs] [globs of sources or compiled files…].
 * Without globs it runs every test but `*.slow.test.ts`; with `--slow`, only those. Files share processes
 * (helpers/groups.ts) unless `--apart` is given, which starts them in the order of the globs. `--busy` keeps all cores busy with other work meanwhile;
 * `--costs` prints what each file cost. The list is made from the sources, so a compiled file whose source
 * is gone never runs. Exit code 1 if a test failed or left something in the temporary folder, if ava
 * itself failed, or if nothing ran.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import glob from 'fast-glob';
import { occupyCores } from './helpers/busy-cores.js';
import { childSeconds, costTable } from './helpers/costs.js';
import { GROUP_IN_TITLE, withGroups } from './helpers/groups.js';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from './helpers/paths.js';
import { makeRunFolder, removeRunFolder } from './helpers/run-folder.js';
import { TapReader, type TapResult } from './helpers/tap.js';

const PROGRESS_EVERY_MS = 5000;
/** Two large values that differ would fill the screen. */
const DETAIL_LINES_MAX = 200;
const LEFT_NAMES_MAX = 20;

/** `dist/test/a.test.js`, `test/a.test.ts`, `test/a` and globs of them → globs over the sources. */
function sourceGlobs(pattern: string): string[] {
  const relative = path.isAbsolute(pattern) ? path.relative(PROJECT_ROOT, pattern) : pattern;
  const source = relative
    .replace(/^\.\//, '')
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
  if (source.endsWith('.ts') || source.endsWith('*')) return [source];
  return [`${source}/**`, `${source}.test.ts`];
}

/** In the order of the patterns, and by name. */
async function selectFiles(slow: boolean, patterns: string[]): Promise<string[]> {
  const globs = patterns.length > 0 ? patterns.map(sourceGlobs) : [['test/**']];
  const found = new Set<string>();
  for (const some of globs) {
    for (const file of (await glob(some, { cwd: PROJECT_ROOT })).sort()) found.add(file);
  }
  const tests = [...found].filter((file) => file.endsWith('.test.ts'));
  const wanted = tests.filter((file) =>
    patterns.length > 0 && !slow ? true : file.endsWith('.slow.test.ts') === slow,
  );
  return wanted.map((file) => `dist/${file.replace(/\.ts$/, '.js')}`);
}

function avaCommand(): string {
  const require = createRequire(import.meta.url);
  const manifestFile = path.join(PROJECT_ROOT, 'node_modules', 'ava', 'package.json');
  const manifest = require(manifestFile) as { bin: { ava: string } };
  return path.join(path.dirname(manifestFile), manifest.bin.ava);
}

function printFailure(result: TapResult): void {
  process.stdout.write(`\nFAILED  ${result.title}\n`);
  for (const line of result.details.slice(0, DETAIL_LINES_MAX)) process.stdout.write(`  ${line}\n`);
  const more = result.details.length - DETAIL_LINES_MAX;
  if (more > 0) process.stdout.write(`  … ${more} more lines\n`);
  process.stdout.write('\n');
}

/** What the user of this machine says of themselves is no matter of the tests. */
const OF_THE_USER = [
  ...['DLV_DATE', 'DLV_DEBUG', 'DLV_SAFE_DIRECTORY', 'XDG_CONFIG_HOME', 'SUDO_UID'],
  ...['FORCE_COLOR', 'NO_COLOR', 'GIT_DIR', 'GIT_WORK_TREE', 'GIT_INDEX_FILE'],
];

function testEnvironment(more: Record<string, string>): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS };
  for (const name of OF_THE_USER) delete env[name];
  return { ...env, ...more };
}

/** What ava reported, and its exit code or the signal that ended it. */
interface AvaResult {
  reader: TapReader;
  exit: number | string;
}

interface AvaOptions {
  /** What the environment of tests has besides. */
  env: Record<string, string>;
  /** How many processes of tests run at once. */
  concurrency: string;
  nameOf: (title: string) => string;
}

async function runAva(
  files: string[],
  { env, nameOf, concurrency }: AvaOptions,
): Promise<AvaResult> {
  const child = spawn(
    process.execPath,
    [avaCommand(), '--tap', '--concurrency', concurrency, ...files],
    {
      cwd: PROJECT_ROOT,
      env: testEnvironment(env),
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  // Whoever interrupts this run interrupts ava; what is in memory must not stay there.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const reader = new TapReader((result) => {
    if (result.outcome === 'failed') printFailure({ ...result, title: nameOf(result.title) });
  });
  const timer = setInterval(() => {
    process.stdout.write(`  ${reader.passed} passed, ${reader.failed} failed so far\n`);
  }, PROGRESS_EVERY_MS);
  const closed = new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) reader.push(line);
    reader.end();
    return { reader, exit: await closed };
  } finally {
    clearInterval(timer);
  }
}

/**
 * The ordinary suite has a process more than two cores, since its tests wait for other processes and for times;
 * slow tests keep their cores busy, and hold more memory.
 */
const PROCESSES = { ordinary: '3', slow: '2' };

function runFiles(files: string[], apart: boolean, env: Record<string, string>) {
  const isSlow = files.some((file) => file.endsWith('.slow.test.js'));
  const concurrency = isSlow ? PROCESSES.slow : PROCESSES.ordinary;
  return withGroups(files, apart, (bundles) =>
    // ava names the file in a title where there are several; a group is no name that helps.
    runAva(bundles, {
      env,
      concurrency,
      nameOf: (title) => title.replace(GROUP_IN_TITLE, ''),
    }),
  );
}

/** Says what ended other than it should. @returns how many failures there are in all. */
function countFailures({ reader, exit }: AvaResult, left: readonly string[]): number {
  let { failed } = reader;
  if (!reader.complete) {
    // A reporter of ava that dies cannot name the test; its plain reporter can.
    process.stdout.write(
      'ava ended before its report did: a test hung or left its process; npx ava names it\n',
    );
    failed++;
  } else if (exit !== 0 && failed === 0) {
    process.stdout.write(`ava ended with ${exit} although no test failed\n`);
    failed = 1;
  }
  if (left.length > 0) {
    const names = left.slice(0, LEFT_NAMES_MAX).join(' ');
    process.stdout.write(`tests left ${left.length} in the temporary folder: ${names}\n`);
    failed++;
  }
  return failed;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      slow: { type: 'boolean', default: false },
      apart: { type: 'boolean', default: false },
      busy: { type: 'boolean', default: false },
      costs: { type: 'boolean', default: false },
    },
  });
  const files = await selectFiles(values.slow, positionals);
  if (files.length === 0) {
    process.stdout.write('no test file matches\n0 passed, 0 failed\n');
    return 1;
  }
  process.stdout.write(`${files.length} test ${files.length === 1 ? 'file' : 'files'}\n`);
  // Slow tests hold more than memory may have.
  const folder = await makeRunFolder(!values.slow);
  const memory = values.slow ? await makeRunFolder(true) : folder;
  const costs = `${folder}.costs`;
  const env = {
    TMPDIR: folder,
    DLV_TEST_DISK: os.tmpdir(),
    DLV_TEST_MEMORY: memory,
    ...(values.costs ? { DLV_TEST_COSTS: costs } : {}),
  };
  const others = values.busy ? occupyCores() : undefined;
  const result = await runFiles(files, values.apart, env);
  await others?.release();
  const left = await removeRunFolder(folder);
  if (memory !== folder) left.push(...(await removeRunFolder(memory)));
  const failed = countFailures(result, left);
  if (values.costs) {
    process.stdout.write(`${costTable(costs)}\n`);
    process.stdout.write(`${childSeconds().toFixed(0)} s of processor time in all\n`);
    await fs.rm(costs, { force: true });
  }
  const { passed, skipped } = result.reader;
  if (skipped > 0) process.stdout.write(`${skipped} skipped\n`);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

process.exitCode = await main();
