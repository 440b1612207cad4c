/**
 * Reads training logs while they grow: each time from where it stopped, whole lines and whole records alone. Which
 * format a file has is told by its content, as for `commit --log`.
 */
import path from 'node:path';
import { ReadFile } from '../../../base/files/files.js';
import { LOG_BYTES_MAX } from '../../../base/limits.js';
import type { LogContent } from '../../../pure/logs/log-content.js';
import { OutputMetrics } from '../../../pure/logs/output-lines.js';
import { readLog, readNamedLog } from '../../../pure/logs/read-logs.js';
import { isHparamsFile } from '../../../pure/logs/readers/hparams-log.js';
import { isTensorBoardLog, wholeRecords } from '../../../pure/logs/readers/tensorboard-log.js';
import { TRAINER_STATE } from '../../../pure/paths/checkpoint-names.js';
import type { MetricRow } from '../../../storage/repo/runs/run-metrics.js';

/** Bytes that are read of one file at once; the rest comes with the next look. */
const READ_BYTES = 8 * 1024 * 1024;
/** Bytes of a log that is read as a whole each time it changed, because its form has no end of a line. */
const WHOLE_BYTES_MAX = 16 * 1024 * 1024;
/** Rows of a file that are read at once. */
const ROWS_MAX = 100_000;

/** What is known of a file that is followed. */
interface Followed {
  inode: string;
  /** Where reading goes on. */
  at: number;
  size: number;
  mtimeNs: string;
  kind: 'records' | 'lines' | 'whole' | null;
  /** First line of a CSV file, with its line feed. */
  header: string;
  /** Lines that were read. */
  lines: number;
  /** Of a text of a program: what is a metric in it is told as for output. */
  output: OutputMetrics | null;
  /** Of a file that is read as a whole: the last step of each metric that was told. */
  told: Map<string, number>;
}

export class LogFollower {
  readonly #files = new Map<string, Followed>();
  readonly #nameOf: (file: string) => string;
  /** What the states of a trainer told so far, each with the whole history; by the folder of its checkpoints. */
  readonly #states = new Map<string, Followed['told']>();

  /** @param nameOf  of a file, as rows name their source. */
  constructor(nameOf: (file: string) => string) {
    this.#nameOf = nameOf;
  }

  /** Takes a file as it is for known: what it says is of an earlier run. */
  skip(file: string, stat: { size: number; inode: string; mtimeNs: string }): void {
    this.#files.set(file, { ...empty(), ...stat, at: stat.size, kind: null });
  }

  /** Rows that are new in a file. Whatever is wrong with it, it gives what can be read. @throws {IoError} */
  async read(
    file: string,
    stat: { size: number; inode: string; mtimeNs: string },
  ): Promise<{ rows: MetricRow[]; params: LogContent['params'] }> {
    let known = this.#files.get(file);
    if (known !== undefined && (known.inode !== stat.inode || stat.size < known.at)) {
      // Another file of that name, or one that was begun again.
      this.#files.delete(file);
      known = undefined;
    }
    if (known !== undefined && known.size === stat.size && known.mtimeNs === stat.mtimeNs) {
      return { rows: [], params: new Map() };
    }
    known ??= { ...empty(), inode: stat.inode, told: this.#toldBefore(file) };
    this.#files.set(file, known);
    const source = await ReadFile.open(file);
    try {
      const read = await this.#readOn(source, known);
      // What was not read because it is long is read with the next look.
      const isAll = known.kind === 'whole' || known.at + READ_BYTES >= source.size;
      known.size = isAll ? stat.size : -1;
      known.mtimeNs = stat.mtimeNs;
      return read;
    } finally {
      await source.close();
    }
  }

  #toldBefore(file: string): Followed['told'] {
    if (path.basename(file) !== TRAINER_STATE) return new Map();
    const above = path.dirname(path.dirname(file));
    const told = this.#states.get(above) ?? new Map();
    this.#states.set(above, told);
    return told;
  }

  async #readOn(
    source: ReadFile,
    known: Followed,
  ): Promise<{ rows: MetricRow[]; params: LogContent['params'] }> {
    const none = { rows: [], params: new Map() };
    if (source.size <= known.at && known.kind !== 'whole') return none;
    if (known.kind === null) await this.#tellKind(source, known);
    if (known.kind === null) return none;
    if (known.kind === 'whole') return this.#readWhole(source, known);
    const length = Math.min(source.size - known.at, READ_BYTES);
    const bytes = await source.read(known.at, length);
    const end = known.kind === 'records' ? wholeRecords(bytes) : bytes.lastIndexOf(0x0a) + 1;
    if (end === 0) {
      // A line or record that is longer than what is read at once is none that a trainer writes.
      if (length === READ_BYTES) known.at += length;
      return none;
    }
    const piece = bytes.subarray(0, end);
    known.at += end;
    const isHead = known.header !== '' && known.at === end;
    const text =
      known.header === '' || isHead ? piece : Buffer.concat([Buffer.from(known.header), piece]);
    const content = readLog(text, '', known.lines);
    for (const byte of piece) if (byte === 0x0a) known.lines++;
    if (content === null) return none;
    if (content.format === 'key=value') {
      known.output ??= new OutputMetrics();
      const file = this.#nameOf(source.name);
      const found = known.output.take(Buffer.from(piece).toString());
      return { ...none, rows: found.map((row) => ({ ...row, time: Date.now(), source: file })) };
    }
    return { rows: this.#rowsOf(content, source.name), params: content.params };
  }

  async #tellKind(source: ReadFile, known: Followed): Promise<void> {
    if (isHparamsFile(source.name) || path.basename(source.name) === TRAINER_STATE) {
      known.kind = 'whole';
      return;
    }
    const head = await source.read(0, Math.min(source.size, 64 * 1024));
    if (isTensorBoardLog(head)) {
      known.kind = 'records';
      return;
    }
    if (head.subarray(0, 8192).includes(0)) return;
    const text = Buffer.from(head).toString('utf8');
    const first = text.slice(0, text.indexOf('\n') + 1);
    if (first === '') return;
    if (/^\uFEFF?\s*\[/.test(text) || /^\uFEFF?\s*\{\s*$/.test(first.trim())) known.kind = 'whole';
    else {
      known.kind = 'lines';
      const isCsv = !first.startsWith('{') && /^[^={}]+[,;\t][^={}]+$/.test(first.trim());
      if (isCsv) known.header = first;
    }
  }

  async #readWhole(
    source: ReadFile,
    known: Followed,
  ): Promise<{ rows: MetricRow[]; params: LogContent['params'] }> {
    if (source.size > Math.min(WHOLE_BYTES_MAX, LOG_BYTES_MAX))
      return { rows: [], params: new Map() };
    const content = readNamedLog(source.name, await source.read(0, source.size));
    known.at = 0;
    if (content === null) return { rows: [], params: new Map() };
    const rows = this.#rowsOf(content, source.name).filter(({ step, values }) => {
      for (const name of [...values.keys()]) {
        if (step <= (known.told.get(name) ?? -1)) (values as Map<string, number>).delete(name);
      }
      return values.size > 0;
    });
    for (const { step, values } of rows)
      for (const name of values.keys()) known.told.set(name, step);
    if (content.reached !== null) {
      const said = { time: Date.now(), source: this.#nameOf(source.name), values: new Map() };
      rows.push({ ...content.reached, ...said });
    }
    return { rows, params: content.params };
  }

  #rowsOf({ series }: LogContent, file: string): MetricRow[] {
    const source = this.#nameOf(file);
    const rows = new Map<
      string,
      { step: number; time: number | null; values: Map<string, number> }
    >();
    for (const { name, steps, values, times } of series) {
      for (const [i, step] of steps.entries()) {
        const time = times?.[i] ?? Number.NaN;
        const key = `${step}/${time}`;
        const row = rows.get(key) ?? {
          step,
          time: Number.isNaN(time) ? null : time,
          values: new Map(),
        };
        if (rows.size < ROWS_MAX) rows.set(key, row);
        row.values.set(name, values[i] as number);
      }
    }
    return [...rows.values()]
      .sort((a, b) => a.step - b.step)
      .map((row) => ({ ...row, time: row.time ?? Date.now(), source }));
  }
}

function empty(): Followed {
  return {
    ...{ inode: '', at: 0, size: -1, mtimeNs: '', kind: null, header: '', lines: 0 },
    output: null,
    told: new Map(),
  };
}
