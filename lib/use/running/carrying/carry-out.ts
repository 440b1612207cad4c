/**
 * Carries out one stretch of a run: starts the command, hands its output on, and looks now and then at what it wrote,
 * until it has ended and what was complete is stored.
 *
 * Nothing here slows the command down but what looking costs: output is handed on as it comes, files are told by name
 * and time, and versions are made by a process that lets others have the processor first. What fails on
 * the way is told, written down and tried again; the command goes on. Start at `carryOut`.
 */
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMissing, readSmallFile } from '../../../base/files/files.js';
import { lookForProcess, ownIdentity } from '../../../base/files/process.js';
import { formatParam, isParamValue } from '../../../pure/logs/param-value.js';
import type { Layout } from '../../../storage/repo/layout.js';
import type { MetricRow } from '../../../storage/repo/runs/run-metrics.js';
import {
  type RunRecord,
  type RunStretch,
  recordPlace,
} from '../../../storage/repo/runs/run-record.js';
import { CheckpointKeeper } from '../checkpoints/checkpoint-keeper.js';
import { type Scan, Scanner } from '../checkpoints/scan.js';
import type { Commit } from '../committer.js';
import { type ChildEnd, endOf, startCommand } from './child-process.js';
import { CommandOutput } from './command-output.js';
import { LogFollower } from './follow-logs.js';
import { Measured } from './measured.js';
import { messageOf, Recording } from './recording.js';
import { Saving } from './saving.js';
import { endedChildrenSeconds } from './usage.js';
import { Wake } from './wake.js';

/** Processes that the command left behind may keep its output open; they are waited for this long. */
const LEFT_BEHIND_MS = 2_000;
const HYPERPARAMETERS_MAX = 1000;

/** What the user sees of a run while it goes on. */
export interface RunStatus {
  record: RunRecord;
  rssBytes: number;
}

/** What surrounds a run. */
export interface RunHost {
  /** Environment that the command gets. */
  env: NodeJS.ProcessEnv;
  /** Takes output of the command; the promise settles when more may come. */
  output(stream: 'out' | 'err', chunk: Buffer): Promise<void> | null;
  status(status: RunStatus): void;
  warn(message: string): void;
  /** Calls `handler` for each signal that this process gets. @returns ends it. */
  signals(handler: (signal: NodeJS.Signals) => void): () => void;
  commit: Commit;
}

export interface Stretch {
  /** Words of the command as they are run. */
  words: readonly string[];
  /** Folder, absolute. */
  cwd: string;
  /** Logs that the user names, absolute. */
  logs: readonly string[];
  /** Adds to the record what takes time to find out. */
  facts(record: RunRecord): Promise<void>;
}

/** Runs the command to its end. The record is on the disk all the time. @throws {NotFoundError} if it cannot be started */
export async function carryOut(
  layout: Layout,
  record: RunRecord,
  stretch: Stretch,
  host: RunHost,
): Promise<void> {
  await new Carrying(layout, record, stretch, host).run();
}

class Carrying {
  readonly #layout: Layout;
  readonly #record: RunRecord;
  readonly #stretch: Stretch;
  readonly #host: RunHost;
  readonly #scanner: Scanner;
  readonly #keeper: CheckpointKeeper;
  readonly #follower: LogFollower;
  readonly #recording: Recording;
  readonly #wake = new Wake();
  #signals = 0;

  constructor(layout: Layout, record: RunRecord, stretch: Stretch, host: RunHost) {
    this.#layout = layout;
    this.#record = record;
    this.#stretch = stretch;
    this.#host = host;
    this.#recording = new Recording(layout, record, (message) => host.warn(message));
    this.#scanner = new Scanner({
      cwd: stretch.cwd,
      patterns: record.checkpointPattern === null ? [] : record.checkpointPattern.split('\n'),
      logs: stretch.logs,
    });
    const problem = (message: string): void => this.#recording.problem(message);
    this.#keeper = new CheckpointKeeper(layout, record, problem, this.#scanner.numbering);
    this.#follower = new LogFollower((file) => recordPlace(layout, file));
  }

  async run(): Promise<void> {
    const recording = this.#recording;
    const before = await this.#scanner.scan(true);
    this.#keeper.settle(before);
    this.#scanner.begin(this.#record.checkpoints);
    for (const { file, stat } of before.logs) this.#follower.skip(file, stat);
    const output = await this.#openOutput();
    const saving = new Saving(this.#layout, this.#host.commit, {
      ...{ recording, output, keeper: this.#keeper },
      onOutcome: () => this.#wake.stir(),
    });
    const { child, ended, measured } = await this.#start(output);
    const facts = this.#stretch.facts(this.#record).then(
      () => recording.changed(),
      (error: unknown) =>
        recording.problem(`not all of the environment is known: ${messageOf(error)}`),
    );
    const release = this.#host.signals((signal) => this.#pass(child, saving, signal));
    try {
      let isOver = false;
      void ended.exited.then(() => {
        isOver = true;
        this.#wake.stir();
      });
      while (!isOver) {
        await this.#tick(measured, saving);
        if (!isOver) await this.#wake.pause();
      }
      const { code, signal } = await ended.exited;
      measured.addUp(true);
      await Promise.race([ended.closed, sleep(LEFT_BEHIND_MS, undefined, { ref: false })]);
      output.end();
      // What the command left behind in the background may hold its output for hours: nobody reads it any more.
      child.stdout?.destroy();
      child.stderr?.destroy();
      await facts;
      await this.#end({ code, signal }, measured, saving);
    } finally {
      release();
      this.#wake.close();
    }
  }

  async #openOutput(): Promise<CommandOutput> {
    const file = this.#layout.runFile(this.#record.id, 'output.log');
    const before = await readSmallFile(file, 1 << 20).catch(() => new Uint8Array(0));
    return new CommandOutput(
      {
        output: (stream, chunk) => this.#host.output(stream, chunk),
        addRow: (row) => this.#addRow(row),
      },
      before,
    );
  }

  async #start(
    output: CommandOutput,
  ): Promise<{ child: ChildProcess; ended: ChildEnd; measured: Measured }> {
    const { words, cwd } = this.#stretch;
    const record = this.#record;
    const startedAt = performance.now();
    const childrenBefore = endedChildrenSeconds();
    const child = await startCommand(words, {
      cwd,
      env: this.#host.env,
      // A session of its own: signals come to it from here alone, each once.
      detached: process.platform !== 'win32',
      stdio: ['inherit', 'pipe', 'pipe'],
    });
    // Heard from the first moment: it may have ended before the record is on the disk.
    const ended = endOf(child);
    const pid = child.pid as number;
    const sight = lookForProcess(pid);
    record.child = { pid, start: sight.kind === 'running' ? sight.start : '0' };
    record.process = ownIdentity();
    const now = Date.now();
    const stretch: RunStretch = {
      ...{ started: now, ended: null, code: null, signal: null, seconds: 0, cpuSeconds: 0 },
    };
    record.stretches.push(stretch);
    const measured = new Measured(record, pid, { startedAt, childrenBefore });
    output.listen(child);
    await this.#recording.tryTo(() => this.#recording.write(true));
    return { child, ended, measured };
  }

  /** A signal for the command goes to all of its processes. */
  #pass(child: ChildProcess, saving: Saving, signal: NodeJS.Signals): void {
    this.#signals++;
    const pid = child.pid as number;
    const isOver = child.exitCode !== null || child.signalCode !== null;
    if (isOver) {
      // The command is over; who asks now does not want to wait until all is stored.
      saving.stop();
      return;
    }
    // A session that lost its terminal passes over SIGTSTP.
    const sent = signal === 'SIGTSTP' ? 'SIGSTOP' : signal;
    try {
      process.kill(process.platform === 'win32' ? pid : -pid, sent);
    } catch {
      // It ended this moment.
    }
  }

  async #tick(measured: Measured, saving: Saving): Promise<void> {
    await this.#recording.tryTo(async () => {
      measured.look();
      const scan = await this.#scanner.scan();
      await this.#look(scan, measured, false);
      await this.#readLogs(scan);
      await this.#recording.writeDue();
      saving.start();
    });
    this.#host.status({ record: this.#record, rssBytes: measured.rssBytes });
  }

  async #look(scan: Scan, measured: Measured, hasEnded: boolean): Promise<void> {
    const now = performance.now();
    const writers = this.#keeper.isWaiting(now) ? measured.writers() : NOBODY;
    const moment = { now, writers, hasEnded };
    // Not awaited: the next look must not wait for the disk.
    if (await this.#keeper.see(scan, moment)) {
      void this.#recording.tryTo(() => this.#recording.write(true));
    }
    this.#wake.watch(new Set([...this.#scanner.folders(), ...this.#keeper.folders()]));
  }

  #addRow(row: MetricRow): void {
    this.#recording.addRow(row);
    if (!row.isCounted) this.#scanner.numbering.tell(row.step);
  }

  async #readLogs({ logs }: Scan): Promise<void> {
    for (const { file, stat } of logs) {
      try {
        const { rows, params } = await this.#follower.read(file, stat);
        for (const row of rows) this.#addRow(row);
        for (const [name, value] of params) {
          const { params: all } = this.#record;
          if (name in all || Object.keys(all).length >= HYPERPARAMETERS_MAX) continue;
          if (isParamValue(value)) all[name] = formatParam(value);
        }
      } catch (error) {
        // A trainer removes its checkpoints, with the states in them.
        if (isMissing(error)) continue;
        const place = recordPlace(this.#layout, file);
        this.#recording.problem(`'${place}' is not read: ${messageOf(error)}`);
      }
    }
  }

  async #end(
    { code, signal }: { code: number | null; signal: NodeJS.Signals | null },
    measured: Measured,
    saving: Saving,
  ): Promise<void> {
    const record = this.#record;
    const recording = this.#recording;
    const stretch = record.stretches.at(-1);
    const now = Date.now();
    if (stretch !== undefined) Object.assign(stretch, { ended: now, code, signal });
    if (code !== 0) this.#keeper.failed();
    const state =
      code === 0 ? 'finished' : signal !== null || this.#signals > 0 ? 'killed' : 'failed';
    await this.#finalLook(measured);
    await saving.storeRest(async () => {
      this.#host.status({ record, rssBytes: 0 });
      // Outcomes of files that could not be read to their ends are decided once more.
      await this.#look(await this.#scanner.scan(), measured, true);
    });
    Object.assign(record, { state, code, signal, ended: now, child: null });
    await recording.tryTo(() => recording.flushRows());
    await recording.tryTo(() => saving.writeOutput());
    await recording.tryTo(() => recording.write(true));
    await saving.noteEnd();
  }

  async #finalLook(measured: Measured): Promise<void> {
    // Twice: what is seen for the first time now is complete at once.
    for (let i = 0; i < 2; i++) {
      await this.#recording.tryTo(async () => {
        const scan = await this.#scanner.scan(true);
        await this.#look(scan, measured, true);
        await this.#readLogs(scan);
      });
    }
  }
}

const NOBODY: ReadonlySet<string> = new Set();
