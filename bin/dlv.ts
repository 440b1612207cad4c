#!/usr/bin/env node
import { findBundle, loadBundle } from './load.js';

const bundle = findBundle();
const { main } = bundle === null ? await import('../lib/cli/main.js') : loadBundle(bundle).main;
process.exitCode = await main(process.argv.slice(2));
