#!/usr/bin/env node
/** The command. bundle.mjs writes it as dist/bin/dlv.cjs: a CommonJS file starts some 10 ms sooner. */
import { findLayers, loadCommand } from './load.js';

async function run(): Promise<void> {
  const folder = findLayers();
  const { main } = folder === null ? await import('../lib/cli/main.js') : loadCommand(folder).main;
  process.exitCode = await main(process.argv.slice(2));
}

void run();
