/**
 * Tells an ONNX model by its first bytes. Protobuf has no magic, so the fields themselves must make
 * sense: ir_version first, then only fields of ModelProto with values that such fields have.
 */
import type { ByteSource } from '../../../base/bytes/byte-source.js';

/** ModelProto fields of text, with the most bytes that a sane one has. */
const TEXT_FIELDS: Record<number, number> = { 2: 1024, 3: 1024, 4: 4096 };
/** Varint fields: ir_version and model_version. */
const VARINT_FIELDS = new Set([1, 5]);
/** doc_string, graph, opset_import, metadata_props, training_info, functions, configuration. */
const MESSAGE_FIELDS = new Set([6, 7, 8, 14, 20, 25, 26]);
const GRAPH_FIELD = 7;
/** GraphProto fields; all are length-delimited. */
const GRAPH_FIELDS = new Set([1, 2, 5, 10, 11, 12, 13, 14, 15, 16]);
/** ir_version has grown by one in a year or two since 2017, from 1. */
const IR_VERSION_MAX = 1000;

/** True if `head` begins a ModelProto that holds a graph. */
export function matchesOnnx(head: Uint8Array, source: ByteSource): boolean {
  if (head[0] !== 0x08) return false;
  let sawGraph = false;
  let at = 0;
  while (at < head.length) {
    const key = smallVarint(head, at);
    if (key === null) break;
    const number = Math.floor(key.value / 8);
    const wire = key.value % 8;
    const value = smallVarint(head, key.end);
    // The head may end inside a key; what was seen before decides.
    if (value === null) break;
    if (wire === 0) {
      if (!VARINT_FIELDS.has(number)) return false;
      if (number === 1 && (value.value < 1 || value.value > IR_VERSION_MAX)) return false;
      at = value.end;
      continue;
    }
    if (wire !== 2) return false;
    const end = value.end + value.value;
    if (end > source.size) return false;
    const textMax = TEXT_FIELDS[number];
    if (textMax !== undefined) {
      if (value.value > textMax || !isText(head.subarray(value.end, end))) return false;
    } else if (!MESSAGE_FIELDS.has(number)) return false;
    if (number === GRAPH_FIELD) {
      if (value.end >= head.length && value.value > 0) break;
      if (!startsGraph(head.subarray(value.end, end))) return false;
      sawGraph = true;
    }
    at = end;
  }
  // Something that fills the whole head (a long doc_string) may be before the graph.
  return sawGraph || source.size > head.length;
}

/** A varint of up to 7 bytes, or null if it is longer or the head ends in it. */
function smallVarint(head: Uint8Array, at: number): { value: number; end: number } | null {
  let value = 0;
  for (let i = 0; i < 7; i++) {
    const byte = head[at + i];
    if (byte === undefined) return null;
    value += (byte & 0x7f) * 128 ** i;
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return null;
}

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte !== 0x7f);
}

function startsGraph(bytes: Uint8Array): boolean {
  const key = smallVarint(bytes, 0);
  return key !== null && key.value % 8 === 2 && GRAPH_FIELDS.has(Math.floor(key.value / 8));
}
