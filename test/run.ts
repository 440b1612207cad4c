/**
 * The test command: runs ava over the compiled tests and ends with the line `N passed, N failed`.
 *
 * Usage: node dist/test/run.js [--slow] [--apart] [globs of sources or compiled files…]. Without globs
 * it runs every test but `*.slow.test.ts`; with `--slow`, only those. Files share processes
 * (helpers/groups.ts) unless `--apart` is given. The list is made from the sources, so a compiled file
 * whose source is gone never runs. Exit code 1 if a test failed, if ava itself failed, or if nothing ran.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import glob from 'fast-glob';
import { GROUP_IN_TITLE, nameOfTest, withGroups } from './helpers/groups.js';
import { NO_SETTINGS, PROJECT_ROOT, TESTER } from './helpers/paths.js';
import { TapReader, type TapResult } from './helpers/tap.js';

const PROGRESS_EVERY_MS = 5000;
/** Two large values that differ would fill the screen. */
const DETAIL_LINES_MAX = 200;

/** `dist/test/a.test.js`, `test/a.test.ts` and globs of either → a glob over the sources. */
function sourceGlob(pattern: string): string {
  const relative = path.isAbsolute(pattern) ? path.relative(PROJECT_ROOT, pattern) : pattern;
  const source = relative
    .replace(/^\.\//, '')
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
  return source.endsWith('.ts') || source.endsWith('*') ? source : `${source}/**`;
}

async function selectFiles(slow: boolean, patterns: string[]): Promise<string[]> {
  const globs = patterns.length > 0 ? patterns.map(sourceGlob) : ['test/**'];
  const found = await glob(globs, { cwd: PROJECT_ROOT });
  const tests = found.filter((file) => file.endsWith('.test.ts'));
  const wanted = tests.filter((file) =>
    patterns.length > 0 && !slow ? true : file.endsWith('.slow.test.ts') === slow,
  );
  return wanted.sort().map((file) => `dist/${file.replace(/\.ts$/, '.js')}`);
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

function testEnvironment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS };
  for (const name of OF_THE_USER) delete env[name];
  return env;
}

/** Runs ava over `files`. Returns what it reported and its exit code (or the signal that ended it). */
async function runAva(
  files: string[],
  nameOf: (title: string) => string,
): Promise<{ reader: TapReader; exit: number | string }> {
  const child = spawn(process.execPath, [avaCommand(), '--tap', ...files], {
    cwd: PROJECT_ROOT,
    env: testEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const slow = args.includes('--slow');
  const apart = args.includes('--apart');
  const files = await selectFiles(
    slow,
    args.filter((arg) => arg !== '--slow' && arg !== '--apart'),
  );
  if (files.length === 0) {
    process.stdout.write('no test file matches\n0 passed, 0 failed\n');
    return 1;
  }
  process.stdout.write(`${files.length} test ${files.length === 1 ? 'file' : 'files'}\n`);
  // ava names the file in a title where there are several; a group is no name that helps.
  const only = files.length === 1 ? `${nameOfTest(files[0] as string)} › ` : '';
  const { reader, exit } = apart
    ? await runAva(files, (title) => only + title)
    : await withGroups(files, (bundles) =>
        runAva(bundles, (title) => title.replace(GROUP_IN_TITLE, '')),
      );
  let failed = reader.failed;
  if (!reader.complete) {
    // A reporter of ava that dies cannot name the test; its plain reporter can.
    process.stdout.write(
      'ava ended before its report did: a test hung or left its process; npx ava names it\n',
    );
    failed += 1;
  } else if (exit !== 0 && failed === 0) {
    process.stdout.write(`ava ended with ${exit} although no test failed\n`);
    failed = 1;
  }
  if (reader.skipped > 0) process.stdout.write(`${reader.skipped} skipped\n`);
  process.stdout.write(`${reader.passed} passed, ${failed} failed\n`);
  return failed > 0 || reader.passed === 0 ? 1 : 0;
}

process.exitCode = await main();
