/**
 * Processes in a pid namespace of their own, as every command in a container is: pid 1, and blind to
 * all others. Made by `unshare` (util-linux), as root or in a user namespace.
 */
import { execFileSync, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import type { ExecutionContext } from 'ava';

const FORMS: readonly (readonly string[])[] = [
  ['--pid', '--fork', '--mount-proc', '--kill-child'],
  ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child'],
];

/** Options of unshare that work here, or null. */
function usableForm(): readonly string[] | null {
  for (const form of FORMS) {
    try {
      execFileSync('unshare', [...form, 'true'], { stdio: 'ignore' });
      return form;
    } catch {
      // The next form may be permitted.
    }
  }
  return null;
}

let form: readonly string[] | null | undefined;

/** True if containers can be made here; else the test says that it is skipped. */
export function hasContainers(t: ExecutionContext): boolean {
  form ??= usableForm();
  if (form !== null) return true;
  t.log(`SKIPPED: unshare --pid is not permitted on '${hostname()}': containers are NOT tested`);
  t.pass();
  return false;
}

/** A program that runs in a container of its own. */
export interface Contained {
  /** Resolves when it printed 'held'. */
  held: Promise<void>;
  /** Ends it at once, as kill -9 does. */
  kill(): void;
  /** Ends its input. */
  release(): void;
  ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

export interface ContainedOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Leaves the /proc of the outer namespace mounted, whose pids are not those of the container. */
  outerProc?: boolean;
}

/** Starts a compiled file of the project, or `dlv` itself, as pid 1 of a new pid namespace. */
export function startContained(
  file: string,
  args: readonly string[],
  options: ContainedOptions = {},
): Contained {
  const flags = (form ?? []).filter((flag) => !(options.outerProc && flag === '--mount-proc'));
  const env = { ...process.env, DLV_AUTHOR_NAME: 'Tester', NO_COLOR: '1', ...options.env };
  const command = [...flags, process.execPath, file, ...args];
  const child = spawn('unshare', command, {
    cwd: options.cwd,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdin.on('error', () => {});
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  const held = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
      if (stdout.includes('held')) resolve();
    });
    child.once('close', () => reject(new Error(`ended early: ${stdout}${stderr}`)));
  });
  held.catch(() => {});
  return { held, kill: () => child.kill('SIGKILL'), release: () => child.stdin.end(), ended };
}
