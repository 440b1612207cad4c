/**
 * Offline runs of Weights & Biases: `run-<id>.wandb`, a log of records in the manner of LevelDB (blocks
 * of 32 KiB; checksum, length, type) around protobuf `Record` messages. History, configuration, goals
 * of metrics and versions of programs are read; users, hosts and command lines are not.
 */
import { crc32 } from '../../../base/bytes/checksum.js';
import { LogCollector, type LogContent } from '../log-content.js';
import { numberOf, timeOf } from '../rows.js';
import { parseLoosely } from './json-log.js';
import { type WireField, wireFields, wireFloat, wireText } from './wire.js';

/** ':W&B', the magic number 0xbee1, version 0. */
const HEADER = Uint8Array.of(0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00);
const BLOCK_BYTES = 32 * 1024;
/** Checksum of type and data (4), length (2), type (1). */
const RECORD_HEADER_BYTES = 4 + 2 + 1;
/** A record that is whole, or the first, a middle or the last piece of one. */
const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const;
/** Fields of Record, and of what it holds. */
const RECORD = { history: 2, config: 5, telemetry: 11, metric: 12, run: 17 } as const;
const ITEM = { key: 1, nested: 2, boolean: 4, integer: 5, number: 6, text: 7, json: 16 } as const;
/** Goals of a metric. */
const GOALS = [null, 'min', 'max'] as const;

/** True for an offline run, whatever its name. */
export function isWandbLog(bytes: Uint8Array): boolean {
  return HEADER.every((byte, i) => bytes[i] === byte);
}

/** What an offline run says; a record that is damaged or cut off ends it. */
export function readWandbLog(bytes: Uint8Array): LogContent {
  const collector = new LogCollector('wandb');
  for (const record of records(bytes, collector)) {
    for (const { field, bytes: body, wire } of wireFields(record)) {
      if (wire !== 2) continue;
      if (field === RECORD.history) readHistory(collector, body);
      else if (field === RECORD.config) readConfig(collector, body);
      else if (field === RECORD.run) {
        for (const part of wireFields(body))
          if (part.field === 4) readConfig(collector, part.bytes);
      } else if (field === RECORD.telemetry) readTelemetry(collector, body);
      else if (field === RECORD.metric) readGoal(collector, body);
    }
  }
  return collector.finish();
}

function* records(bytes: Uint8Array, collector: LogCollector): Generator<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let pieces: Uint8Array[] = [];
  let at = HEADER.length;
  while (at < bytes.length) {
    // What is left of a block where no header has room is padding.
    const left = BLOCK_BYTES - (at % BLOCK_BYTES);
    if (left < RECORD_HEADER_BYTES) {
      at += left;
      continue;
    }
    const start = at + RECORD_HEADER_BYTES;
    if (start > bytes.length) break;
    const length = view.getUint16(at + 4, true);
    const type = bytes[at + 6] as number;
    // Unwritten space at the end of a run that was killed.
    if (type === 0 && length === 0) break;
    if (start + length > bytes.length) break;
    const isWhole = RECORD_HEADER_BYTES + length <= left && type >= TYPE.full && type <= TYPE.last;
    if (!isWhole || crc32(bytes.subarray(at + 6, start + length)) !== view.getUint32(at, true)) {
      collector.problem = `damaged at byte ${at}, and read up to there`;
      return;
    }
    const data = bytes.subarray(start, start + length);
    if (type === TYPE.full) yield data;
    else {
      if (type === TYPE.first) pieces = [];
      pieces.push(data);
      if (type === TYPE.last) yield Buffer.concat(pieces);
    }
    at = start + length;
  }
  if (at < bytes.length) collector.problem = `cut off at byte ${at}`;
}

/** A name and the value of an item of history or configuration. */
function readItem(item: Uint8Array): { name: string; value: unknown } {
  let key = '';
  const nested: string[] = [];
  let value: unknown;
  for (const field of wireFields(item)) {
    if (field.field === ITEM.key) key = wireText(field);
    else if (field.field === ITEM.nested) nested.push(wireText(field));
    else if (field.field === ITEM.boolean) value = field.number !== 0;
    else if (field.field === ITEM.integer) value = field.number;
    else if (field.field === ITEM.number) value = wireFloat(field);
    else if (field.field === ITEM.text) value = wireText(field);
    else if (field.field === ITEM.json) value = jsonOf(field);
  }
  return { name: nested.length > 0 ? nested.join('.') : key, value };
}

function jsonOf(field: WireField): unknown {
  const text = wireText(field);
  return parseLoosely(text) ?? text;
}

function readHistory(collector: LogCollector, history: Uint8Array): void {
  const values = new Map<string, unknown>();
  let step: number | null = null;
  for (const field of wireFields(history)) {
    if (field.wire !== 2) continue;
    if (field.field === 1) {
      const { name, value } = readItem(field.bytes);
      values.set(name, value);
    } else if (field.field === 2) {
      step = 0;
      for (const part of wireFields(field.bytes)) if (part.field === 1) step = part.number;
    }
  }
  const at = numberOf(values.get('_step')) ?? step;
  if (at === null) return;
  const time = timeOf(values.get('_timestamp'));
  for (const [name, value] of values) {
    if (name.startsWith('_')) continue;
    const number = numberOf(value);
    if (number !== null) collector.point(name, number, at, time);
  }
}

function readConfig(collector: LogCollector, config: Uint8Array): void {
  for (const field of wireFields(config)) {
    if (field.field !== 1 || field.wire !== 2) continue;
    const { name, value } = readItem(field.bytes);
    if (name !== '' && !name.startsWith('_') && value !== undefined) collector.param(name, value);
  }
}

/** TelemetryRecord: python_version 4, cli_version 5. */
function readTelemetry(collector: LogCollector, telemetry: Uint8Array): void {
  for (const field of wireFields(telemetry)) {
    if (field.field === 4 && field.wire === 2) collector.environment('python', wireText(field));
    if (field.field === 5 && field.wire === 2) collector.environment('wandb', wireText(field));
  }
}

/** MetricRecord: name 1, summary 7 {min 1, max 2, best 4}, goal 8. */
function readGoal(collector: LogCollector, metric: Uint8Array): void {
  let name = '';
  let goal: 'min' | 'max' | null = null;
  for (const field of wireFields(metric)) {
    if (field.field === 1) name = wireText(field);
    else if (field.field === 8) goal = GOALS[field.number] ?? goal;
    else if (field.field === 7) {
      const [only, ...others] = [...wireFields(field.bytes)].filter(({ number }) => number === 1);
      if (only !== undefined && others.length === 0) goal ??= GOALS[only.field] ?? null;
    }
  }
  if (name !== '' && goal !== null) collector.direction(name, goal);
}
