/**
 * Question: what does it cost to store weights again that are stored already, written otherwise: in another
 * order, container or dtype, with more rows, transposed, scaled, quantised?
 *
 *     npm run bench:rewritten -- [--dir D] [--no-write]
 *
 * Every case is a repository of two commits; what is counted is the second: its pack files and their
 * indexes. Both versions come back, compared by sha256.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type RewrittenCase, rewrittenCases } from './data/rewritten.js';
import {
  describeSetting,
  formatBytes,
  formatSeconds,
  markdownTable,
  measureDlv,
  publish,
  settingOf,
  sumOf,
} from './harness.js';

interface Result {
  what: string;
  bytes: number;
  storedBytes: number;
  addSeconds: number;
  checkoutSeconds: number;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function measure({ what, first, second }: RewrittenCase, dir: string): Promise<Result> {
  const work = await fs.mkdtemp(path.join(dir, 'rewritten-'));
  try {
    const repo = path.join(work, 'model');
    await fs.mkdir(repo);
    await measureDlv(['init'], repo);
    const commit = async ({ name, bytes }: RewrittenCase['first']) => {
      await fs.writeFile(path.join(repo, name), bytes);
      const add = await measureDlv(['add', name], repo);
      const done = await measureDlv(['commit', '-m', what], repo);
      return { cost: sumOf(add, done), stored: JSON.parse(done.stdout) as Record<string, number> };
    };
    await commit(first);
    const { cost, stored } = await commit(second);
    const out = path.join(work, 'out');
    const checkout = await measureDlv(['checkout', 'HEAD', '--out', out], repo);
    const found = sha256(await fs.readFile(path.join(out, second.name)));
    if (found !== sha256(second.bytes)) throw new Error(`${what}: came back with another sha256`);
    return {
      what,
      bytes: second.bytes.length,
      storedBytes: (stored.storedBytes as number) + (stored.metadataBytes as number),
      addSeconds: cost.seconds,
      checkoutSeconds: checkout.seconds,
    };
  } finally {
    await fs.rm(work, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string', default: os.tmpdir() },
      'no-write': { type: 'boolean', default: false },
    },
  });
  const setting = settingOf('npm run bench:rewritten');
  const results: Result[] = [];
  for (const one of rewrittenCases()) {
    results.push(await measure(one, values.dir));
    process.stderr.write(`${one.what}: ${results.at(-1)?.storedBytes}\n`);
  }
  const rows = [['stored second', 'file', 'stored', 'of the file', 'add + commit', 'checkout']];
  for (const { what, bytes, storedBytes, addSeconds, checkoutSeconds } of results) {
    rows.push([
      what,
      formatBytes(bytes),
      formatBytes(storedBytes),
      `${((100 * storedBytes) / bytes).toPrecision(2)} %`,
      formatSeconds(addSeconds),
      formatSeconds(checkoutSeconds),
    ]);
  }
  const text = [markdownTable(rows), '', describeSetting(setting)].join('\n');
  process.stdout.write(`${text}\n`);
  if (!values['no-write']) await publish('rewritten', { setting, results }, text);
}

await main();
