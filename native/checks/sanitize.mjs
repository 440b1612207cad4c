/**
 * Runs the tests of the native room on an addon with AddressSanitizer and UndefinedBehaviorSanitizer,
 * in which calls fail on demand (faults.h):
 *
 *     node native/checks/sanitize.mjs [test files…]     default: test/unit/base/native
 *
 * Needs the built tests (npm run build). Works in a copy of the project, so that native/build stays.
 * Exit code 1 if a test fails or a sanitizer finds anything. Where the compiler has no sanitizers the
 * tests run without them, and that is said loudly.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const COMPILER = process.env.CC ?? 'cc';
const SANITIZE =
  '-g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all';
/** What the tests read is copied or, where no path is made from it, linked. */
const COPIED = ['dist', 'native', 'package.json'];
const LINKED = ['node_modules', 'docs', 'test'];
/** Most seconds for all tests: they take 75 of one core. */
const SECONDS_MAX = 600;

function say(text) {
  process.stdout.write(`sanitize: ${text}\n`);
}

/** The runtime of the sanitizer, which must be loaded before node; undefined if there is none. */
function runtime() {
  const { stdout } = spawnSync(COMPILER, ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const file = stdout?.trim() ?? '';
  if (!path.isAbsolute(file)) return undefined;
  const library = fs.realpathSync(file);
  const env = { ...process.env, LD_PRELOAD: library, ASAN_OPTIONS: 'detect_leaks=0' };
  return spawnSync(process.execPath, ['-e', ''], { env }).status === 0 ? library : undefined;
}

function copyProject(folder) {
  for (const part of COPIED) {
    const filter = (file) => path.relative(ROOT, file) !== path.join('native', 'build');
    fs.cpSync(path.join(ROOT, part), path.join(folder, part), { recursive: true, filter });
  }
  for (const part of LINKED) fs.symlinkSync(path.join(ROOT, part), path.join(folder, part));
}

async function build(folder, flags) {
  process.env.CFLAGS = flags;
  const { buildAddon } = await import(path.join(folder, 'native/build.mjs'));
  return buildAddon(undefined, true);
}

async function runTests(folder, files) {
  const library = runtime();
  const problem = await build(folder, library ? SANITIZE : '-g -O1');
  if (problem !== null) {
    say(`SKIPPED: the addon cannot be built, it is NOT tested: ${problem.trimEnd()}`);
    return 0;
  }
  if (!library) say(`WITHOUT SANITIZERS: ${COMPILER} has none that node loads`);
  const env = {
    ...process.env,
    DLV_KERNEL: '',
    ...(library ? { LD_PRELOAD: library } : {}),
    // What node has in use at its end is no leak of the addon; tests count the addon's. Node's own
    // handler would hide where a wrong address was used. Stacks are not checked after a return: gcc
    // does not align them for AVX-512 then.
    ASAN_OPTIONS: 'detect_leaks=0:handle_segv=2:detect_stack_use_after_return=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  };
  return runBounded([path.join(folder, 'dist/test/run.js'), ...files], { cwd: folder, env });
}

/** Runs node, and ends it with all that it started when the time is over. @returns its exit code. */
async function runBounded(args, options) {
  const child = spawn(process.execPath, args, { ...options, stdio: 'inherit', detached: true });
  const timer = setTimeout(() => {
    say(`FAILED: not over after ${SECONDS_MAX} seconds`);
    process.kill(-child.pid, 'SIGKILL');
  }, 1000 * SECONDS_MAX);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  return code ?? 1;
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dlv-sanitize-'));
try {
  copyProject(folder);
  const files = process.argv.slice(2);
  process.exitCode = await runTests(folder, files.length > 0 ? files : ['test/unit/base/native']);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
