/**
 * Whoever makes versions while a command goes on: a process of its own with a low priority, started for what is
 * held then; or, where dlv does not know how it was started, this process.
 */
import { NotFoundError } from '../../base/errors.js';
import { startProgram } from '../../base/files/processes/program.js';
import { readRunRecord } from '../../storage/repo/runs/run-record.js';
import type { OpContext } from '../context.js';
import type { StoreAccess } from '../history/access.js';
import { commitHeld, type HeldOutcome } from './commit-held.js';
import { noteEnd } from './note-end.js';

/** Of what the process says on stderr, as much is told. */
const SAID_CHARS_MAX = 2000;
/** Waits after failures, one after another. */
const WAITS_MS = [1000, 5000, 15_000, 30_000];

export interface CommitRequest {
  run: string;
  asIs: ReadonlySet<number>;
  /** Only notes how the run ended. */
  end: boolean;
  /** The command has ended: nobody is slowed down any more, and the user waits. */
  hurry: boolean;
}

/** Makes versions of what is held. Settles when it has ended; rejects with what went wrong. */
export type Commit = (
  request: CommitRequest,
  onOutcome: (outcome: HeldOutcome) => void,
  signal: AbortSignal,
) => Promise<void>;

/** A process of its own. @param self  words that start dlv. */
export function commitByProcess(self: readonly string[], cwd: string): Commit {
  return async ({ run, asIs, end, hurry }, onOutcome, signal) => {
    const words = [...self.slice(1), 'run', '--commit-held', run];
    if (asIs.size > 0) words.push('--as-is', [...asIs].join(','));
    if (end) words.push('--end');
    if (hurry) words.push('--hurry');
    const child = await startProgram(self[0] as string, words, {
      cwd,
      // A session of its own: Ctrl-C is for the command alone, and what is held is stored even so.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    return new Promise((resolve, reject) => {
      let rest = '';
      let said = '';
      const stop = (): void => void child.kill('SIGTERM');
      signal.addEventListener('abort', stop);
      if (signal.aborted) stop();
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const outcome = parseOutcome(line);
          if (outcome !== null) onOutcome(outcome);
        }
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-SAID_CHARS_MAX);
      });
      child.once('error', reject);
      child.once('close', (code, name) => {
        signal.removeEventListener('abort', stop);
        if (code === 0) resolve();
        else reject(new Error(said.trim() || `the process that stores ended with ${name ?? code}`));
      });
    });
  };
}

/** A line that the process wrote; null for others. */
function parseOutcome(line: string): HeldOutcome | null {
  try {
    const found = JSON.parse(line) as HeldOutcome;
    return Number.isSafeInteger(found.n) && typeof found.state === 'string' ? found : null;
  } catch {
    return null;
  }
}

/** One request after another; after a failure it waits longer and longer. */
export class Committer {
  readonly #commit: Commit;
  #abort = new AbortController();
  #running: Promise<void> | null = null;
  #failures = 0;
  #notBefore = 0;
  /** What went wrong last; null if nothing did. */
  problem: string | null = null;

  constructor(commit: Commit) {
    this.#commit = commit;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** True if it would start now. */
  get isFree(): boolean {
    return this.#running === null && performance.now() >= this.#notBefore;
  }

  /** Starts unless it is at work, or has to wait. */
  start(request: CommitRequest, onOutcome: (outcome: HeldOutcome) => void): void {
    if (!this.isFree) return;
    let hasFailed: string | null = null;
    const watched = (outcome: HeldOutcome): void => {
      if (outcome.state === 'failed' && outcome.isLasting !== true) {
        hasFailed = outcome.problem ?? 'it failed';
      }
      onOutcome(outcome);
    };
    this.#running = this.#commit(request, watched, this.#abort.signal)
      .catch((error: unknown) => {
        hasFailed = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        this.#running = null;
        this.problem = hasFailed;
        if (hasFailed === null) this.#failures = 0;
        else {
          const wait = WAITS_MS[Math.min(this.#failures++, WAITS_MS.length - 1)] as number;
          this.#notBefore = performance.now() + wait;
        }
      });
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Waits for what is at work. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Begins anew at once: what is at work yields to others, and would go on to. */
  async hurry(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#abort = new AbortController();
    this.#failures = 0;
    this.#notBefore = 0;
  }

  stop(): void {
    this.#abort.abort();
  }
}

/** Has what crashed runs left stored, by a process that nobody waits for. */
export function recoverBeside(self: readonly string[], cwd: string): void {
  const words = [...self.slice(1), '--quiet', 'run', '--recover'];
  void startProgram(self[0] as string, words, { cwd, detached: true, stdio: 'ignore' }).then(
    (child) => child.unref(),
    () => {},
  );
}

/** This process. @param open  opens the repository for one piece of work. */
export function commitByRepository(
  open: <T>(action: (repo: StoreAccess) => Promise<T>) => Promise<T>,
  context: OpContext,
): Commit {
  return (request, onOutcome, signal) =>
    open((repo) => commitRequest(repo, request, onOutcome, { ...context, signal }));
}

/** Makes versions of what is held, or notes the end. */
export async function commitRequest(
  repo: StoreAccess,
  { run, asIs, end }: CommitRequest,
  onOutcome: (outcome: HeldOutcome) => void,
  context: OpContext,
): Promise<void> {
  const record = await readRunRecord(repo.layout, run);
  if (record === null) {
    throw new NotFoundError(`there is no run '${run}'`, { kind: 'run', name: run });
  }
  if (end) await noteEnd(repo, record);
  else await commitHeld(repo, record, { asIs, onOutcome }, context);
}
