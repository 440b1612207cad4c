/**
 * Event files of TensorBoard: TFRecord frames (length, checksum, bytes, checksum) around `Event`
 * messages. Scalars of both kinds of writers are read (`simple_value`, and tensors of one element)
 * and the hyperparameters of a session; histograms, pictures and graphs are passed over.
 */

import { LogCollector, type LogContent } from '../log-content.js';
import { maskedCrc32c } from './crc32c.js';
import { type WireField, wireFields, wireFloat, wireText } from './wire.js';

const LENGTH_BYTES = 8;
const CRC_BYTES = 4;
/** Fields of Event, Summary.Value, TensorProto. */
const EVENT = { wallTime: 1, step: 2, summary: 5 } as const;
const VALUE = { tag: 1, simple: 2, tensor: 8, metadata: 9 } as const;
const TENSOR = { dtype: 1, shape: 2, content: 4, floats: 5, doubles: 6 } as const;
const DT_FLOAT = 1;
const DT_DOUBLE = 2;

/** True if the bytes begin with a frame whose length has the right checksum. */
export function isTensorBoardLog(bytes: Uint8Array): boolean {
  if (bytes.length < LENGTH_BYTES + CRC_BYTES) return false;
  const stored = viewOf(bytes).getUint32(LENGTH_BYTES, true);
  return maskedCrc32c(bytes.subarray(0, LENGTH_BYTES)) === stored;
}

/** What an event file says; a frame that is cut off or damaged ends it. @param prefix  of all names. */
export function readTensorBoardLog(bytes: Uint8Array, prefix = ''): LogContent {
  const collector = new LogCollector('tensorboard');
  const view = viewOf(bytes);
  let at = 0;
  while (at < bytes.length) {
    const start = at + LENGTH_BYTES + CRC_BYTES;
    if (start > bytes.length) {
      collector.problem = `cut off at byte ${at}`;
      break;
    }
    const header = bytes.subarray(at, at + LENGTH_BYTES);
    if (maskedCrc32c(header) !== view.getUint32(at + LENGTH_BYTES, true)) {
      collector.problem = `damaged at byte ${at}, and read up to there`;
      break;
    }
    const length = view.getBigUint64(at, true);
    if (length > BigInt(Math.max(0, bytes.length - start - CRC_BYTES))) {
      // A run that is still writing, or was killed.
      collector.problem = `cut off at byte ${at}`;
      break;
    }
    const end = start + Number(length);
    const record = bytes.subarray(start, end);
    if (maskedCrc32c(record) !== view.getUint32(end, true)) {
      collector.problem = `damaged at byte ${at}, and read up to there`;
      break;
    }
    readEvent(collector, record, prefix);
    at = end + CRC_BYTES;
  }
  return collector.finish();
}

/** Bytes of the whole records at the beginning of a piece of an event file that still grows. */
export function wholeRecords(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  for (let at = 0; ; ) {
    const start = at + LENGTH_BYTES + CRC_BYTES;
    if (start > bytes.length) return at;
    const length = view.getBigUint64(at, true);
    if (length > BigInt(Math.max(0, bytes.length - start - CRC_BYTES))) return at;
    at = start + Number(length) + CRC_BYTES;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function readEvent(collector: LogCollector, event: Uint8Array, prefix: string): void {
  let step = 0;
  let time: number | null = null;
  const summaries: Uint8Array[] = [];
  for (const field of wireFields(event)) {
    if (field.field === EVENT.wallTime && field.wire === 1) time = wireFloat(field) * 1000;
    else if (field.field === EVENT.step && field.wire === 0) step = field.number;
    else if (field.field === EVENT.summary && field.wire === 2) summaries.push(field.bytes);
  }
  for (const summary of summaries) {
    for (const field of wireFields(summary)) {
      if (field.field === 1 && field.wire === 2) {
        readValue(collector, field.bytes, { step, time, prefix });
      }
    }
  }
}

function readValue(
  collector: LogCollector,
  value: Uint8Array,
  { step, time, prefix }: { step: number; time: number | null; prefix: string },
): void {
  let tag = '';
  let number: number | null = null;
  for (const field of wireFields(value)) {
    if (field.field === VALUE.tag) tag = wireText(field);
    else if (field.field === VALUE.simple && field.wire === 5) number = wireFloat(field);
    else if (field.field === VALUE.tensor) number = scalarOf(field.bytes);
    else if (field.field === VALUE.metadata) readMetadata(collector, field.bytes);
  }
  if (tag === '' || tag.startsWith('_hparams_/') || number === null) return;
  collector.point(prefix + tag, number, step, time !== null && Number.isFinite(time) ? time : null);
}

/** The number of a tensor with one element, else null. */
function scalarOf(tensor: Uint8Array): number | null {
  let dtype = 0;
  let elements = 1;
  let value: number | null = null;
  for (const field of wireFields(tensor)) {
    if (field.field === TENSOR.dtype) dtype = field.number;
    else if (field.field === TENSOR.shape) elements = elementsOf(field.bytes);
    else if (
      field.field === TENSOR.content ||
      field.field === TENSOR.floats ||
      field.field === TENSOR.doubles
    ) {
      value = numberIn(field, dtype);
    }
  }
  return elements === 1 ? value : null;
}

function elementsOf(shape: Uint8Array): number {
  let elements = 1;
  for (const dim of wireFields(shape)) {
    if (dim.field !== 2) continue;
    let size = 0;
    for (const field of wireFields(dim.bytes)) if (field.field === 1) size = field.number;
    elements *= size;
  }
  return elements;
}

/** A float that stands alone or packed, or the raw content of one. */
function numberIn(field: WireField, dtype: number): number | null {
  if (field.wire !== 2) return wireFloat(field);
  const { bytes } = field;
  if (dtype === DT_FLOAT && bytes.length === 4) return viewOf(bytes).getFloat32(0, true);
  if (dtype === DT_DOUBLE && bytes.length === 8) return viewOf(bytes).getFloat64(0, true);
  return null;
}

/**
 * Hyperparameters of a session: SummaryMetadata.plugin_data (1) {plugin_name 1, content 2}, of which the
 * content is HParamsPluginData {session_start_info 3 {hparams 1: map from name to google.protobuf.Value}}.
 */
function readMetadata(collector: LogCollector, metadata: Uint8Array): void {
  for (const plugin of wireFields(metadata)) {
    if (plugin.field !== 1) continue;
    let name = '';
    let content: Uint8Array | null = null;
    for (const field of wireFields(plugin.bytes)) {
      if (field.field === 1) name = wireText(field);
      else if (field.field === 2) content = field.bytes;
    }
    if (name !== 'hparams' || content === null) continue;
    for (const data of wireFields(content)) {
      if (data.field !== 3) continue;
      for (const entry of wireFields(data.bytes)) {
        if (entry.field === 1) readHyperparameter(collector, entry.bytes);
      }
    }
  }
}

function readHyperparameter(collector: LogCollector, entry: Uint8Array): void {
  let name = '';
  let value: unknown;
  for (const field of wireFields(entry)) {
    if (field.field === 1) name = wireText(field);
    if (field.field !== 2) continue;
    for (const part of wireFields(field.bytes)) {
      if (part.field === 1) value = null;
      else if (part.field === 2) value = wireFloat(part);
      else if (part.field === 3) value = wireText(part);
      else if (part.field === 4) value = part.number !== 0;
    }
  }
  if (name !== '' && value !== undefined) collector.param(name, value);
}
