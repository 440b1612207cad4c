#!/usr/bin/env node
/** The command. bundle.mjs writes it as dist/bin/dlv.cjs: a CommonJS file starts some 10 ms sooner. */
import { findLayers, loadCommand } from './load.js';

async function run(): Promise<void> {
  const folder = findLayers();
  const { main } = folder === null ? await import('../lib/cli/main.js') : loadCommand(folder).main;
  process.exitCode = await main(process.argv.slice(2));
}

/** Says in two lines that the command itself could not be loaded: what has words for errors is a part of it. */
function sayNotLoaded(error: unknown): void {
  const { code, path: file, syscall } = error as NodeJS.ErrnoException;
  if (syscall === undefined || file === undefined) throw error;
  const isLimit = code === 'EMFILE';
  const why = isLimit ? 'too many files are open (EMFILE)' : code;
  process.stderr.write(`dlv: cannot load '${file}': ${why}\n`);
  const remedy = 'raise the limit of open files (ulimit -n)';
  process.stderr.write(`hint: ${isLimit ? remedy : 'install dlv again'}\n`);
  process.exitCode = 1;
}

run().catch(sayNotLoaded);
