/**
 * Commands on a failing device: the n-th write, fsync, rename, open, link, mkdir or unlink of
 * lib/base/files fails, for n = 1, 2, … until the command makes fewer. After each failure the answer names
 * the file and a remedy, what the command said is so, and the command run again works. Where many failures
 * leave the same bytes, as those of calls that read do, the folder is looked at once.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { memoryDir } from '../helpers/temp-dir.js';
import { hashTree, readTree, writeTree } from '../helpers/tree.js';
import { type Answer, answerProblems, runInside } from './cli.js';
import { type Fault, type Faulty, injectFault } from './faults.js';
import { lookAfter, makeTrial } from './trial.js';
import type { Verb } from './verbs.js';

/** What a person would miss in the answer of a command that failed: which file, and what to do. */
function errorProblems({ stdout }: Answer): string[] {
  const { error } = JSON.parse(stdout) as {
    error?: { code: string; message: string; data: { file?: unknown; hint?: unknown } };
  };
  // fsck that found damage.
  if (error === undefined) return [];
  // A pack that cannot be read back after it was written counts as damaged: it is not used.
  const isUnread = error.code === 'DLV_CORRUPT' && error.message.endsWith('(EIO)');
  if (error.code !== 'DLV_IO' && !isUnread) return [`${error.code}: ${error.message}`];
  const wrong: string[] = [];
  if (typeof error.data.file !== 'string') wrong.push(`names no file: ${error.message}`);
  if (typeof error.data.hint !== 'string') wrong.push(`gives no remedy: ${error.message}`);
  return wrong;
}

/** Which calls fail, and how. */
export interface Faults {
  fault: Fault;
  among: readonly Faulty[];
  /** Calls from one that fails to the next; default 1, which is all. */
  stride?: number;
}

/** Makes one call after another fail, until the command makes fewer. @returns how many commands failed. */
export async function breakEach(
  t: ExecutionContext,
  verb: Verb,
  { fault, among, stride = 1 }: Faults,
): Promise<number> {
  const trial = await makeTrial(t, verb, runInside);
  const under = await memoryDir(t);
  let failures = 0;
  const looked = new Set<string>();
  for (let n = 1; ; n += stride) {
    const dir = path.join(under, String(n));
    writeTree(dir, trial.tree, null);
    const injection = injectFault(fault, n, among);
    const answer = await runInside(trial.argv, dir).finally(() => injection.restore());
    const where = `${verb.name}, ${fault} at call ${n} (${injection.hit})`;
    const wrong = answerProblems(answer);
    const failed = answer.code !== 0;
    if (failed) {
      failures++;
      if (injection.hit === null) wrong.push('failed without a fault');
      if (fault === 'short') wrong.push('does not go on after a short write');
      wrong.push(...errorProblems(answer));
    }
    const state = `${failed} ${hashTree(readTree(dir))}`;
    if (!looked.has(state)) wrong.push(...(await lookAfter(dir, trial, failed)));
    looked.add(state);
    t.deepEqual(wrong, [], where);
    fs.rmSync(dir, { recursive: true });
    if (injection.hit === null) return failures;
  }
}
