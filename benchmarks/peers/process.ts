/**
 * Programs of any kind, run and accounted for: wall time, and the processor time of the process and of
 * all that it started and waited for. Bash keeps both, so nothing has to be installed for it.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { runProcess } from '../harness.js';

/** What one or more processes took. */
export interface Taken {
  seconds: number;
  cpuSeconds: number;
}

export const NOTHING_TAKEN: Taken = { seconds: 0, cpuSeconds: 0 };

export interface Place {
  cwd: string;
  env: Record<string, string>;
}

/** Makes every Node process read hundreds of certificates, which no tool here needs: 40 ms of 100. */
const UNSET = ['NODE_EXTRA_CA_CERTS'];

const TIMED = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" >/dev/null 2>"$DLV_ERRORS"; } 2>"$DLV_TIMES"';

function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNSET.includes(name)));
}

/** Runs a command and says what it took. @throws with what it wrote to stderr if it fails. */
export async function timed(argv: readonly string[], { cwd, env }: Place): Promise<Taken> {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), 'dlv-times-'));
  const times = path.join(dir, 'times');
  const errors = path.join(dir, 'errors');
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      const child = spawn('bash', ['-c', TIMED, 'bash', ...argv], {
        cwd,
        env: { ...ownEnvironment(), ...env, DLV_TIMES: times, DLV_ERRORS: errors, LC_ALL: 'C' },
        stdio: 'ignore',
      });
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) {
      const said = (await fs.readFile(errors, 'utf8')).trim().slice(-2000);
      throw new Error(`'${argv.join(' ')}' ended with ${code}: ${said}`);
    }
    const [wall, user, system] = (await fs.readFile(times, 'utf8')).trim().split(' ').map(Number);
    return { seconds: wall as number, cpuSeconds: (user as number) + (system as number) };
  } finally {
    await fs.rm(dir, { recursive: true, force: true });
  }
}

/** Runs commands one after another and adds up what they took. */
export async function timedAll(commands: readonly string[][], place: Place): Promise<Taken> {
  const sum = { ...NOTHING_TAKEN };
  for (const argv of commands) {
    const { seconds, cpuSeconds } = await timed(argv, place);
    sum.seconds += seconds;
    sum.cpuSeconds += cpuSeconds;
  }
  return sum;
}

/** First line that a command prints, or null if there is no such program. */
export async function firstLine(argv: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await runProcess(argv[0] as string, argv.slice(1));
    return stdout.split('\n')[0]?.trim() ?? '';
  } catch {
    return null;
  }
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await fs.readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((e) => e.isFile()).map((e) => path.join(e.parentPath, e.name));
}

/** Bytes of all files below a folder. */
export async function bytesBelow(dir: string): Promise<number> {
  let sum = 0;
  for (const file of await filesBelow(dir)) sum += (await fs.stat(file)).size;
  return sum;
}

/** Smaller files are not worth a process each. */
const COOLED_BYTES_MIN = 64 * 1024;

/**
 * Puts the pages of all larger files below a folder out of the page cache: `dd` flushes each and asks the
 * system to forget it, which needs no rights.
 */
export async function coolDown(dir: string): Promise<void> {
  for (const file of await filesBelow(dir)) {
    if ((await fs.stat(file)).size < COOLED_BYTES_MIN) continue;
    await fs.chmod(file, 0o644);
    const flags = ['oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none'];
    await runProcess('dd', [`of=${file}`, ...flags]);
  }
}

/** A program that writes to so much memory, by MiB, and ends. */
const TOUCH =
  'const held = []; while (held.length < process.argv[1]) held.push(Buffer.alloc(2 ** 20, 1));';

/**
 * Brings the machine into one state before something is timed: what earlier steps wrote is on the device, and free memory
 * is there. Where a hypervisor takes back what is free for some seconds, whoever gets it next waits for it: `cp` of 1.4 GB
 * took 0.35 s or 2.4 s, by what had run before.
 * @param bytes  of the files of the step; four times as much memory is written to, at most half of what is free.
 */
export async function settleMachine(bytes: number): Promise<void> {
  await runProcess('sync', []);
  const touched = Math.min(4 * bytes, os.freemem() / 2);
  await runProcess(process.execPath, ['-e', TOUCH, String(Math.round(touched / 2 ** 20))]);
}

/** Busy seconds of all cores since the system started. */
function busySeconds(): number {
  return os
    .cpus()
    .reduce((sum, { times }) => sum + (times.user + times.sys + times.nice) / 1000, 0);
}

/** How much of the machine others used while something ran. */
export class OthersWatch {
  readonly #busy = busySeconds();
  readonly #started = performance.now();

  /** @param own  processor seconds of what was measured. @returns  cores that others kept busy. */
  finish(own: number): number {
    const seconds = (performance.now() - this.#started) / 1000;
    return Math.max(0, (busySeconds() - this.#busy - own) / Math.max(seconds, 0.001));
  }
}
