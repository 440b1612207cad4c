/**
 * Builds native/checks/fuzz.c and fuzz_compute.c with address and undefined-behaviour sanitizers and runs it:
 *
 *     node native/checks/fuzz.mjs [inputs] [seed]
 *     node native/checks/fuzz.mjs --seconds 60      new seeds until the time is over, each one printed
 *     node native/checks/fuzz.mjs --valgrind [inputs] [seed]     under valgrind instead, which also sees
 *                                                   memory that was never written, and leaks
 *
 * Exit code 1 if anything was found or it cannot be built. With --seconds a compiler without
 * sanitizers is said loudly and is not a failure.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CORE } from '../build.mjs';

const NATIVE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const BUILD = path.join(NATIVE, 'build');
const PROGRAM = path.join(BUILD, 'fuzz');
const COMPILER = process.env.CC ?? 'cc';
const SANITIZE = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** Inputs of one seed of a timed run: about ten seconds. */
const BATCH = 20_000;

/** Whether the compiler makes programs with sanitizers that run. */
function hasSanitizers() {
  const probe = path.join(BUILD, 'probe');
  const args = [...SANITIZE, '-x', 'c', '-', '-o', probe];
  const built = spawnSync(COMPILER, args, { input: 'int main(void) { return 0; }' });
  return built.status === 0 && spawnSync(probe).status === 0;
}

function build(flags) {
  const args = [
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    '-pthread',
    '-fno-math-errno',
    ...flags,
    '-I.',
    ...CORE,
    'checks/fuzz.c',
    'checks/fuzz_compute.c',
    '-o',
    PROGRAM,
    '-lm',
  ];
  const built = spawnSync(COMPILER, args, { cwd: NATIVE, encoding: 'utf8' });
  if (built.status === 0) return true;
  process.stderr.write(`cannot build the fuzzer: ${built.stderr ?? built.error}\n`);
  return false;
}

function underValgrind(args) {
  if (!build(['-g', '-O1'])) return 1;
  const check = ['-q', '--error-exitcode=9', '--leak-check=full', PROGRAM];
  const { status, error } = spawnSync('valgrind', [...check, ...args], { stdio: 'inherit' });
  if (error) process.stderr.write(`cannot run valgrind: ${error.message}\n`);
  return status ?? 1;
}

function fuzz(args) {
  const { status, signal, error } = spawnSync(PROGRAM, args, { stdio: 'inherit' });
  if (status === null) process.stderr.write(`the fuzzer ended by ${signal ?? error}\n`);
  return status ?? 1;
}

function fuzzFor(seconds) {
  const end = Date.now() + 1000 * seconds;
  for (let seed = Date.now(); Date.now() < end; seed++) {
    process.stdout.write(`fuzz: seed ${seed}: `);
    const status = fuzz([String(BATCH), String(seed)]);
    if (status !== 0) return status;
  }
  return 0;
}

function main(args) {
  fs.mkdirSync(BUILD, { recursive: true });
  if (args[0] === '--valgrind') return underValgrind(args.slice(1));
  const timed = args[0] === '--seconds';
  if (timed && !hasSanitizers()) {
    process.stdout.write(
      `fuzz: SKIPPED: ${COMPILER} makes no programs with sanitizers, the kernel is NOT fuzzed\n`,
    );
    return 0;
  }
  if (!build(SANITIZE)) return 1;
  return timed ? fuzzFor(Number(args[1])) : fuzz(args);
}

process.exitCode = main(process.argv.slice(2));
