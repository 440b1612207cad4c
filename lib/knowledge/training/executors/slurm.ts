/** Slurm, by its commands: sbatch, squeue and scancel. One squeue tells of all jobs. */
import { RemoteError } from '../../../base/errors.js';
import { NotStarted, startProgram } from '../../../base/files/processes/program.js';
import type { Cluster, JobRequest, JobSight } from './cluster.js';
import { type ExecutorOptions, PACE } from './executor.js';
import { type AttemptFiles, tailOf } from './job-folder.js';

const ANSWER_CHARS_MAX = 64 * 1024 * 1024;

/** States of jobs that have not ended. */
const QUEUED = new Set([
  'PENDING',
  'CONFIGURING',
  'REQUEUED',
  'REQUEUE_HOLD',
  'REQUEUE_FED',
  'SPECIAL_EXIT',
  'RESV_DEL_HOLD',
]);
const RUNNING = new Set([
  'RUNNING',
  'COMPLETING',
  'SUSPENDED',
  'STOPPED',
  'RESIZING',
  'SIGNALING',
  'STAGE_OUT',
]);

interface SlurmJob {
  id: string;
  state: string;
  reason: string;
}

export class SlurmCluster implements Cluster {
  readonly kind = 'slurm';
  readonly place = 'Slurm, by sbatch';
  readonly #options: ExecutorOptions;
  /** More arguments of sbatch. */
  readonly #more: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #jobs: Promise<Map<string, SlurmJob>> | null = null;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(
    more: readonly string[],
    options: ExecutorOptions,
    env: NodeJS.ProcessEnv = process.env,
  ) {
    this.#more = more;
    this.#options = options;
    this.#env = env;
  }

  async find(name: string, signal?: AbortSignal): Promise<JobSight | null> {
    const job = (await this.#all(signal)).get(name);
    if (job === undefined) return null;
    const { state, reason } = job;
    return {
      state: QUEUED.has(state) ? 'queued' : RUNNING.has(state) ? 'running' : 'ended',
      isLate: state === 'TIMEOUT' || state === 'DEADLINE',
      message: `the job ended as ${state}${reason === 'None' || reason === '' ? '' : ` (${reason})`}`,
    };
  }

  /** The jobs of this user by name, those that ended a short while ago among them. */
  #all(signal?: AbortSignal): Promise<Map<string, SlurmJob>> {
    const now = performance.now();
    const { askMs } = this.#options.pace ?? PACE;
    if (this.#jobs === null || now - this.#askedAt > askMs / 2) {
      this.#askedAt = now;
      this.#jobs = this.#list(signal);
      // Whoever asks hears of it; the next one asks anew.
      this.#jobs.catch(() => {
        this.#jobs = null;
      });
    }
    return this.#jobs;
  }

  async #list(signal?: AbortSignal): Promise<Map<string, SlurmJob>> {
    const args = ['--noheader', '--me', '--states=all', '--format=%i|%T|%r|%j'];
    const text = await this.#run('squeue', args, signal);
    const jobs = new Map<string, SlurmJob>();
    for (const line of text.split('\n')) {
      const [id, state, reason, ...name] = line.trim().split('|');
      if (id === undefined || state === undefined || reason === undefined) continue;
      const known = jobs.get(name.join('|'));
      // Of two jobs with one name the older was lost: ids grow.
      if (known !== undefined && Number(known.id) > Number(id)) continue;
      jobs.set(name.join('|'), { id, state, reason });
    }
    return jobs;
  }

  async submit({ name, files, folder }: JobRequest, signal?: AbortSignal): Promise<void> {
    const { cpus, gpus, memoryBytes, seconds } = this.#options;
    await this.#run(
      'sbatch',
      [
        ...['--parsable', '--no-requeue', `--job-name=${name}`, `--chdir=${folder}`],
        `--output=${files.log.replaceAll('%', '%%')}`,
        `--cpus-per-task=${Math.max(1, cpus)}`,
        `--mem=${Math.ceil(memoryBytes / 1024 / 1024)}M`,
        ...(gpus > 0 ? [`--gpus=${gpus}`] : []),
        // Slurm counts in minutes; dlv itself counts the seconds.
        ...(seconds > 0 ? [`--time=${Math.ceil(seconds / 60)}`] : []),
        ...this.#more,
        files.script,
      ],
      signal,
    );
    this.#jobs = null;
  }

  async cancel(name: string): Promise<void> {
    await this.#run('scancel', ['--me', `--name=${name}`], AbortSignal.timeout(5000));
  }

  log(_name: string, files: AttemptFiles): Promise<string> {
    return tailOf(files.log);
  }

  close(): void {}

  /** @throws {RemoteError} if a command fails; `isLasting` where it would fail again. */
  async #run(program: string, args: readonly string[], signal?: AbortSignal): Promise<string> {
    const child = await startProgram(program, args, {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    }).catch((error: unknown) => {
      throw notStarted(program, error);
    });
    return new Promise((resolve, reject) => {
      let [said, wrong] = ['', ''];
      child.stdout?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.length > ANSWER_CHARS_MAX) child.kill('SIGKILL');
      });
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        wrong = (wrong + text).slice(-2000);
      });
      child.once('error', (error) => reject(notStarted(program, error)));
      child.once('close', (code) => {
        if (code === 0) resolve(said);
        else reject(failedCommand(program, wrong.trim()));
      });
    });
  }
}

function notStarted(program: string, error: unknown): RemoteError {
  const why = error instanceof Error ? error.message : String(error);
  const message = error instanceof NotStarted ? why : `'${program}' was ended: ${why}`;
  return new RemoteError(message, {
    isLasting: true,
    hint: 'run dlv where the commands of Slurm are, on a login node',
  });
}

/** A controller that does not answer may answer later; a partition that is not there is not there later. */
function failedCommand(program: string, wrong: string): RemoteError {
  const isPassing =
    /contact slurm controller|Connection (refused|timed out)|Socket timed out|Zero Bytes|temporarily/i.test(
      wrong,
    );
  const line = wrong.split('\n').at(-1) ?? '';
  return new RemoteError(`${program} failed${line === '' ? '' : `: ${line}`}`, {
    ...(isPassing ? {} : { isLasting: true }),
    hint: isPassing
      ? 'nothing is lost: run the same statement again when the controller answers'
      : "slurm.options has more arguments of sbatch, such as '--partition=gpu'",
  });
}
