/**
 * sbatch, squeue and scancel as shell scripts that do with jobs what Slurm does, and write down how they were called.
 * Their answers are those of Slurm 22.05; test/integration/clusters.slow.test.ts asks the real one.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { tempDir } from './temp-dir.js';

const SBATCH = `
echo "sbatch $*" >> "$S/calls"
for a; do case "$a" in --job-name=*) name=\${a#*=};; --output=*) out=\${a#*=};; esac; script=$a; done
case "$*" in *--partition=none*) echo "sbatch: error: invalid partition specified: none" >&2; exit 1;; esac
id=$(( $(ls "$S/jobs" | wc -l) + 1 ))
mkdir "$S/jobs/$id"
echo "$name" > "$S/jobs/$id/name"
echo RUNNING > "$S/jobs/$id/state"
setsid sh -c 'if sh "$1" > "$2" 2>&1; then s=COMPLETED; else s=FAILED; fi; echo $s > "$3/state"' sh "$script" "$out" "$S/jobs/$id" > /dev/null 2>&1 &
echo $! > "$S/jobs/$id/pid"
echo "$id"`;

const SQUEUE = `
if [ -e "$S/silent" ]; then
  echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2; exit 1
fi
for j in "$S"/jobs/*; do
  [ -e "$j/name" ] || continue
  echo "\${j##*/}|$(cat "$j/state")|None|$(cat "$j/name")"
done`;

const SCANCEL = `
echo "scancel $*" >> "$S/calls"
for a; do case "$a" in --name=*) name=\${a#*=};; esac; done
for j in "$S"/jobs/*; do
  [ "$(cat "$j/name")" = "$name" ] || continue
  kill -KILL -- "-$(cat "$j/pid")" 2> /dev/null
  echo CANCELLED > "$j/state"
done`;

export interface RecordedSlurm {
  /** Environment in which the commands are found. */
  env: NodeJS.ProcessEnv;
  /** Command lines so far. */
  calls(): Promise<string[]>;
  /** Ends a job as a worker does that dies: nothing is said, and the queue knows. */
  killWorker(id: number): Promise<void>;
  /** Lets the controller be silent, or answer again. */
  setSilent(isSilent: boolean): Promise<void>;
}

export async function recordedSlurm(t: ExecutionContext): Promise<RecordedSlurm> {
  const dir = await tempDir(t);
  const [bin, state] = [path.join(dir, 'bin'), path.join(dir, 'state')];
  await fs.mkdir(bin);
  await fs.mkdir(path.join(state, 'jobs'), { recursive: true });
  for (const [name, text] of Object.entries({ sbatch: SBATCH, squeue: SQUEUE, scancel: SCANCEL })) {
    await fs.writeFile(path.join(bin, name), `#!/bin/sh\nS='${state}'${text}\n`, { mode: 0o755 });
  }
  const calls = path.join(state, 'calls');
  return {
    env: { ...process.env, PATH: `${bin}:${process.env.PATH}` },
    calls: async () => (await fs.readFile(calls, 'utf8').catch(() => '')).trim().split('\n'),
    killWorker: async (id) => {
      const job = path.join(state, 'jobs', String(id));
      process.kill(-Number(await fs.readFile(path.join(job, 'pid'), 'utf8')), 'SIGKILL');
      await fs.writeFile(path.join(job, 'state'), 'NODE_FAIL\n');
    },
    setSilent: (isSilent) =>
      isSilent
        ? fs.writeFile(path.join(state, 'silent'), '')
        : fs.rm(path.join(state, 'silent'), { force: true }),
  };
}
