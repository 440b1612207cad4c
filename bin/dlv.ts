#!/usr/bin/env node
/** The command. bundle.mjs writes it as dist/bin/dlv.cjs: a CommonJS file starts some 10 ms sooner. */
import { findBundle, loadBundle } from './load.js';

async function run(): Promise<void> {
  const bundle = findBundle();
  const { main } = bundle === null ? await import('../lib/cli/main.js') : loadBundle(bundle).main;
  process.exitCode = await main(process.argv.slice(2));
}

void run();
