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
import { readSmallFile, writeFileAtomic } from '../../../base/files/files.js';
import { lookForProcess, ownIdentity } from '../../../base/files/process.js';
import { watchFolder } from '../../../base/files/watch.js';
import { LOG_NAMES_MAX } from '../../../base/limits.js';
import { OutputMetrics } from '../../../pure/logs/output-lines.js';
import { formatParam, isParamValue } from '../../../pure/logs/param-value.js';
import type { Layout } from '../../../storage/repo/layout.js';
import { appendRows, FROM_OUTPUT, type MetricRow } from '../../../storage/repo/runs/run-metrics.js';
import {
  type RunMetric,
  type RunRecord,
  type RunStretch,
  recordPlace,
  writeRun,
} from '../../../storage/repo/runs/run-record.js';
import { CheckpointKeeper } from '../checkpoints/checkpoint-keeper.js';
import { type Scan, Scanner } from '../checkpoints/scan.js';
import { type Commit, Committer } from '../committer.js';
import { type ChildEnd, endOf, startCommand } from './child-process.js';
import { LogFollower } from './follow-logs.js';
import { KeptOutput } from './keep-output.js';
import { endedChildrenSeconds, Usage } from './usage.js';

const TICK_MS = 200;
const USAGE_MS = 1000;
/** How often the record says that the run goes on. */
const BEAT_MS = 3000;
const ROWS_MS = 400;
/** Something changed in a folder: the next look comes after this. */
const STIR_MS = 10;
/** Processes that the command left behind may keep its output open; they are waited for this long. */
const LEFT_BEHIND_MS = 10_000;
/** Failures in a row after the end of the command before what is held is left for later. */
const ATTEMPTS_AT_END = 4;
/** The wait after the first of them; it grows with each. */
const AGAIN_AT_END_MS = 3000;
const HYPERPARAMETERS_MAX = 1000;
/** Folders that are watched at once; the others are looked at now and then. */
const FOLDERS_MAX = 200;

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
  readonly #committer: Committer;
  readonly #follower: LogFollower;
  readonly #metrics = { out: new OutputMetrics(), err: new OutputMetrics() };
  readonly #watched = new Map<string, () => void>();
  readonly #known: Map<string, RunMetric>;
  #output = new KeptOutput();
  #rows: MetricRow[] = [];
  #usage: Usage | null = null;
  #stir: (() => void) | null = null;
  #hasRecordChanged = false;
  #before = { seconds: 0, cpuSeconds: 0 };
  #startedAt = 0;
  #at = { usage: 0, beat: 0, rows: 0 };
  #signals = 0;
  #stopSaving = false;
  #writing: Promise<void> = Promise.resolve();
  #storing: Promise<unknown> | null = null;

  constructor(layout: Layout, record: RunRecord, stretch: Stretch, host: RunHost) {
    this.#layout = layout;
    this.#record = record;
    this.#stretch = stretch;
    this.#host = host;
    this.#known = new Map(record.metrics.map((one) => [one.name, one]));
    this.#scanner = new Scanner({
      cwd: stretch.cwd,
      patterns: record.checkpointPattern === null ? [] : record.checkpointPattern.split('\n'),
      logs: stretch.logs,
    });
    this.#keeper = new CheckpointKeeper(layout, record, (message) => this.#problem(message));
    this.#committer = new Committer(host.commit);
    this.#follower = new LogFollower((file) => recordPlace(layout, file));
  }

  async run(): Promise<void> {
    const before = await this.#scanner.scan(true);
    this.#keeper.settle(before);
    for (const { file, stat } of before.logs) this.#follower.skip(file, stat);
    this.#output = new KeptOutput(
      await readSmallFile(this.#layout.runFile(this.#record.id, 'output.log'), 1 << 20).catch(
        () => new Uint8Array(0),
      ),
    );
    const childrenBefore = endedChildrenSeconds();
    const { child, ended } = await this.#start();
    const facts = this.#stretch.facts(this.#record).then(
      () => {
        this.#hasRecordChanged = true;
      },
      (error: unknown) => this.#problem(`not all of the environment is known: ${messageOf(error)}`),
    );
    const release = this.#host.signals((signal) => this.#pass(child, signal));
    try {
      let isOver = false;
      void ended.exited.then(() => {
        isOver = true;
        this.#stir?.();
      });
      while (!isOver) {
        await this.#tick();
        if (!isOver) await this.#pause();
      }
      const { code, signal } = await ended.exited;
      this.#addUp(childrenBefore);
      await Promise.race([ended.closed, sleep(LEFT_BEHIND_MS, undefined, { ref: false })]);
      this.#takeRows('out', this.#metrics.out.end());
      this.#takeRows('err', this.#metrics.err.end());
      await facts;
      await this.#end(code, signal);
    } finally {
      release();
      for (const stop of this.#watched.values()) stop();
    }
  }

  async #start(): Promise<{ child: ChildProcess; ended: ChildEnd }> {
    const { words, cwd } = this.#stretch;
    const record = this.#record;
    this.#startedAt = performance.now();
    this.#before = { seconds: record.seconds, cpuSeconds: record.cpuSeconds };
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
    this.#usage = new Usage(pid);
    for (const name of ['out', 'err'] as const) this.#listen(child, name);
    await this.#write(true).catch((error: unknown) => this.#problem(messageOf(error)));
    return { child, ended };
  }

  #listen(child: ChildProcess, name: 'out' | 'err'): void {
    const stream = name === 'out' ? child.stdout : child.stderr;
    const decoder = new TextDecoder();
    stream?.on('data', (chunk: Buffer) => {
      this.#output.add(chunk);
      this.#takeRows(name, this.#metrics[name].take(decoder.decode(chunk, { stream: true })));
      const wait = this.#host.output(name, chunk);
      if (wait === null) return;
      stream.pause();
      void wait.then(() => stream.resume());
    });
    stream?.on('error', () => {});
  }

  #takeRows(
    _: 'out' | 'err',
    rows: readonly { step: number; values: Map<string, number> }[],
  ): void {
    const time = Date.now();
    for (const row of rows) this.#addRow({ ...row, time, source: FROM_OUTPUT });
  }

  #addRow(row: MetricRow): void {
    this.#rows.push(row);
    for (const [name, value] of row.values) {
      const last = Number.isFinite(value) ? value : null;
      const one = this.#known.get(name);
      if (one !== undefined) Object.assign(one, { count: one.count + 1, step: row.step, last });
      else if (this.#known.size < LOG_NAMES_MAX) {
        const fresh = { name, count: 1, step: row.step, last };
        this.#known.set(name, fresh);
        this.#record.metrics.push(fresh);
      }
    }
  }

  /** A signal for the command goes to all of its processes. */
  #pass(child: ChildProcess, signal: NodeJS.Signals): void {
    this.#signals++;
    const pid = child.pid as number;
    const isOver = child.exitCode !== null || child.signalCode !== null;
    if (isOver) {
      // The command is over; who asks now does not want to wait until all is stored.
      this.#stopSaving = true;
      this.#committer.stop();
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

  async #pause(): Promise<void> {
    const wake = new AbortController();
    this.#stir = () => {
      this.#stir = null;
      setTimeout(() => wake.abort(), STIR_MS).unref();
    };
    await sleep(TICK_MS, undefined, { signal: wake.signal }).catch(() => {});
    this.#stir = null;
  }

  async #tick(): Promise<void> {
    const now = performance.now();
    try {
      if (now - this.#at.usage >= USAGE_MS) {
        this.#usage?.look();
        this.#at.usage = now;
        this.#addUp(null);
      }
      const scan = await this.#scanner.scan();
      await this.#look(scan, false);
      await this.#readLogs(scan);
      if (now - this.#at.rows >= ROWS_MS) await this.#flushRows();
      if (this.#hasRecordChanged || now - this.#at.beat >= BEAT_MS) {
        void this.#tryTo(() => this.#write(false));
      }
      if (this.#keeper.hasHeld() && this.#storing === null) {
        this.#storing = this.#tryTo(() => this.#store(false)).finally(() => {
          this.#storing = null;
        });
      }
    } catch (error) {
      this.#problem(messageOf(error));
    }
    this.#host.status({ record: this.#record, rssBytes: this.#usage?.rssBytes ?? 0 });
  }

  async #look(scan: Scan, hasEnded: boolean): Promise<void> {
    const now = performance.now();
    const writers = this.#keeper.isWaiting(now) ? (this.#usage?.writers() ?? null) : NOBODY;
    const moment = { now, writers, hasEnded };
    // Not awaited: the next look must not wait for the disk.
    if (await this.#keeper.see(scan, moment)) void this.#tryTo(() => this.#write(true));
    this.#watch(new Set([...this.#scanner.folders(), ...this.#keeper.folders()]));
  }

  #watch(folders: ReadonlySet<string>): void {
    for (const [folder, stop] of this.#watched) {
      if (folders.has(folder)) continue;
      stop();
      this.#watched.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watched.has(folder) || this.#watched.size >= FOLDERS_MAX) continue;
      const stop = watchFolder(folder, () => this.#stir?.());
      if (stop !== null) this.#watched.set(folder, stop);
    }
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
        this.#problem(`'${recordPlace(this.#layout, file)}' is not read: ${messageOf(error)}`);
      }
    }
  }

  async #flushRows(): Promise<void> {
    this.#at.rows = performance.now();
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    try {
      await appendRows(this.#layout, this.#record.id, rows);
    } catch (error) {
      this.#rows = [...rows, ...this.#rows].slice(-100_000);
      throw error;
    }
  }

  /** One after another: the last that was asked for is the one that stays. */
  #write(durable: boolean): Promise<void> {
    this.#at.beat = performance.now();
    this.#hasRecordChanged = false;
    const written = this.#writing.then(async () => {
      this.#record.updated = Date.now();
      await writeRun(this.#layout, this.#record, { durable });
    });
    this.#writing = written.catch(() => {});
    return written;
  }

  /** Has versions made of what is held. */
  async #store(hasEnded: boolean): Promise<void> {
    if (!this.#committer.isFree) return;
    await this.#flushRows();
    const file = this.#layout.runFile(this.#record.id, 'output.log');
    if (this.#output.hasNew) await writeFileAtomic(file, this.#output.bytes());
    // What is to be stored is in the record on the disk: the process that stores it reads it there.
    await this.#write(true);
    const { id } = this.#record;
    const before = this.#committer.problem;
    const request = { run: id, asIs: this.#keeper.asIs, end: false, hurry: hasEnded };
    this.#committer.start(request, (outcome) => {
      this.#hasRecordChanged = true;
      void this.#keeper.settleOutcome(outcome, hasEnded);
      this.#stir?.();
    });
    if (this.#committer.problem !== null && this.#committer.problem !== before) {
      this.#problem(`a checkpoint is not stored yet: ${this.#committer.problem}`);
    }
  }

  #addUp(childrenBefore: number | null): void {
    const record = this.#record;
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const sampled = this.#usage?.cpuSeconds ?? 0;
    const children = endedChildrenSeconds();
    const waited = childrenBefore === null || children === null ? 0 : children - childrenBefore;
    const stretch = record.stretches.at(-1);
    // Those that stored versions meanwhile count among the children, so the sample decides unless it saw too little.
    const cpuSeconds = record.checkpoints.length === 0 ? Math.max(sampled, waited) : sampled;
    record.seconds = round(this.#before.seconds + seconds);
    record.cpuSeconds = round(this.#before.cpuSeconds + cpuSeconds);
    record.peakBytes = Math.max(record.peakBytes, this.#usage?.peakBytes ?? 0);
    if (stretch !== undefined)
      Object.assign(stretch, { seconds: round(seconds), cpuSeconds: round(cpuSeconds) });
  }

  async #end(code: number | null, signal: NodeJS.Signals | null): Promise<void> {
    const record = this.#record;
    const stretch = record.stretches.at(-1);
    const now = Date.now();
    if (stretch !== undefined) Object.assign(stretch, { ended: now, code, signal });
    if (code !== 0) this.#keeper.failed();
    const state =
      code === 0 ? 'finished' : signal !== null || this.#signals > 0 ? 'killed' : 'failed';
    await this.#finalLook();
    await this.#storeRest();
    Object.assign(record, { state, code, signal, ended: now, child: null });
    await this.#tryTo(() => this.#flushRows());
    await this.#tryTo(() =>
      writeFileAtomic(this.#layout.runFile(record.id, 'output.log'), this.#output.bytes()),
    );
    await this.#tryTo(() => this.#write(true));
    await this.#noteEnd();
  }

  async #finalLook(): Promise<void> {
    // Twice: what is seen for the first time now is complete at once.
    for (let i = 0; i < 2; i++) {
      await this.#tryTo(async () => {
        const scan = await this.#scanner.scan(true);
        await this.#look(scan, true);
        await this.#readLogs(scan);
      });
    }
  }

  async #storeRest(): Promise<void> {
    await this.#storing;
    await this.#committer.hurry();
    // Where not even the record can be written, nobody is started who could fail.
    let failures = 0;
    let notBefore = 0;
    while (!this.#stopSaving) {
      await this.#committer.settled();
      // Outcomes of files that could not be read to their ends are decided once more.
      await this.#tryTo(async () => {
        await this.#look(await this.#scanner.scan(), true);
      });
      const attempts = Math.max(failures, this.#committer.failures);
      if (!this.#keeper.hasHeld() || attempts >= ATTEMPTS_AT_END) break;
      if (performance.now() >= notBefore) {
        const hasFailed = !(await this.#tryTo(() => this.#store(true)));
        failures = hasFailed ? failures + 1 : 0;
        notBefore = performance.now() + (hasFailed ? AGAIN_AT_END_MS * failures : 0);
      }
      this.#host.status({ record: this.#record, rssBytes: 0 });
      if (!this.#committer.isRunning) await sleep(200);
    }
    await this.#committer.settled();
    await this.#tryTo(() => this.#write(true));
  }

  /** The last version gets a note that says how the run ended. */
  async #noteEnd(): Promise<void> {
    if (this.#stopSaving || !this.#record.checkpoints.some(({ version }) => version !== null))
      return;
    const none = new Set<number>();
    await this.#committer.hurry();
    const request = { run: this.#record.id, asIs: none, end: true, hurry: true };
    this.#committer.start(request, () => {});
    await this.#committer.settled();
    const { problem } = this.#committer;
    if (problem !== null) this.#problem(`no version says how the run ended: ${problem}`);
  }

  /** @returns false if it failed, which is told. */
  async #tryTo(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.#problem(messageOf(error));
      return false;
    }
  }

  #problem(message: string): void {
    const { problems } = this.#record;
    if (problems.includes(message)) return;
    if (problems.length < 100) problems.push(message);
    this.#hasRecordChanged = true;
    this.#host.warn(message);
  }
}

const NOBODY: ReadonlySet<string> = new Set();

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
