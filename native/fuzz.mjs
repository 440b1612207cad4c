/**
 * Builds native/fuzz.c with address and undefined-behaviour sanitizers and runs it:
 * `node native/fuzz.mjs [inputs] [seed]`. Exit code 1 if anything was found or it cannot be built.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CORE } from './build.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const BUILD = path.join(HERE, 'build');
const PROGRAM = path.join(BUILD, 'fuzz');

fs.mkdirSync(BUILD, { recursive: true });
const sanitize = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
const args = ['-std=gnu11', '-Wall', '-Wextra', ...sanitize, ...CORE, 'fuzz.c', '-o', PROGRAM];
const built = spawnSync(process.env.CC ?? 'cc', args, { cwd: HERE, encoding: 'utf8' });
if (built.status !== 0) {
  process.stderr.write(`cannot build the fuzzer: ${built.stderr ?? built.error}\n`);
  process.exit(1);
}
const run = spawnSync(PROGRAM, process.argv.slice(2), { stdio: 'inherit' });
process.exit(run.status ?? 1);
