/** What is asked beside a command that begins, and put into the record of its run as it comes: code, GPUs, packages. */
import { writeFileAtomic } from '../../base/files/files.js';
import type { Layout } from '../../storage/repo/layout.js';
import type { RunRecord } from '../../storage/repo/runs/run-record.js';
import { readGitDiff, readGitState } from '../../storage/repo/settings/gitinfo.js';
import { gpuFacts, pythonFacts, pythonOf, TOLD_PACKAGES } from './facts.js';

const DIFF_BYTES_MAX = 1 << 20;

/** What is asked beside the command, and put into the record as it comes. */
export async function findFacts(
  layout: Layout,
  record: RunRecord,
  { words, cwd, env }: { words: readonly string[]; cwd: string; env: NodeJS.ProcessEnv },
): Promise<void> {
  const git = async (): Promise<void> => {
    record.git = await readGitState(cwd);
    if (record.git?.dirty !== true) return;
    const diff = await readGitDiff(cwd, DIFF_BYTES_MAX);
    if (diff === null || diff.text === '') return;
    const text = diff.cut ? `${diff.text}\n… cut off\n` : diff.text;
    await writeFileAtomic(layout.runFile(record.id, 'changes.diff'), Buffer.from(text));
  };
  const gpus = async (): Promise<void> => {
    Object.assign(record.environment, await gpuFacts(cwd));
  };
  const packages = async (): Promise<void> => {
    const python = await pythonOf(words, { cwd, env });
    const facts = python === null ? null : await pythonFacts(python);
    if (facts === null) return;
    record.environment.python = facts.version;
    for (const line of facts.packages) {
      if (!TOLD_PACKAGES.test(line)) continue;
      const [name, version] = line.split('==') as [string, string];
      record.environment[name.toLowerCase()] = version;
    }
    const text = `${facts.packages.join('\n')}\n`;
    await writeFileAtomic(layout.runFile(record.id, 'packages.txt'), Buffer.from(text));
  };
  const settled = await Promise.allSettled([git(), gpus(), packages()]);
  for (const one of settled) if (one.status === 'rejected') throw one.reason as Error;
}
