/**
 * Where the parts of an ONNX file lie: the fields of the model and of its main graph, by byte ranges. With them
 * a graph is changed without reading what stays, and fields of a later ONNX are kept as they are.
 */
import type { ByteSource } from '../../../../base/bytes/byte-source.js';
import { OnnxScanner } from '../onnx-scanner.js';
import { TEXT_BYTES_MAX } from '../onnx-tensor.js';
import type { ProtoField } from '../protobuf.js';

/** A field: its number, its range with its key, and where its payload begins. */
export interface FieldRange {
  number: number;
  keyStart: number;
  start: number;
  end: number;
}

/** A field of a graph. */
export interface GraphFieldRange extends FieldRange {
  /** The name that it has or is about; null for others. */
  name: string | null;
  /** Of a node: what it holds besides the names of its inputs and outputs, as ranges in file order. */
  rest: readonly { start: number; end: number }[];
}

export interface ModelParts {
  /** Fields of the model but its graph, in file order. */
  model: FieldRange[];
  /** Fields of the main graph, in file order. */
  graph: GraphFieldRange[];
}

/** ModelProto.graph. */
export const GRAPH_FIELD = 7;
/** Fields of GraphProto. */
export const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  value: 13,
  quantization: 14,
  sparse: 15,
} as const;
/** Which field of what stands in a graph is its name. */
const NAME_FIELDS: Record<number, number> = { 5: 8, 11: 1, 12: 1, 13: 1, 14: 1 };
/** Memory of a range. */
const RANGE_BYTES = 128;

/** Finds the parts of a file that `readOnnxModel` has read. @throws as that. */
export async function readModelParts(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ModelParts> {
  const scan = new OnnxScanner(source, { tensorsOnly: true }, signal);
  const parts: ModelParts = { model: [], graph: [] };
  const range = ({ number, keyStart, start, end }: ProtoField): FieldRange => {
    scan.charge(RANGE_BYTES);
    return { number, keyStart, start, end };
  };
  await scan.fields(0, source.size, async (field) => {
    if (field.number !== GRAPH_FIELD) {
      parts.model.push(range(field));
      return;
    }
    await scan.fields(field.start, field.end, async (part) => {
      const rest = part.number === GRAPH.node ? await restOf(scan, part) : [];
      parts.graph.push({ ...range(part), name: await nameOf(scan, part), rest });
    });
  });
  return parts;
}

/** The fields of a node but inputs (1) and outputs (2); neighbours are one range. */
async function restOf(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<{ start: number; end: number }[]> {
  const rest: { start: number; end: number }[] = [];
  await scan.fields(field.start, field.end, ({ number, keyStart, end }) => {
    if (number === 1 || number === 2) return;
    const last = rest.at(-1);
    if (last?.end === keyStart) last.end = end;
    else {
      scan.charge(RANGE_BYTES);
      rest.push({ start: keyStart, end });
    }
  });
  return rest;
}

async function nameOf(scan: OnnxScanner, field: ProtoField): Promise<string | null> {
  if (field.number === GRAPH.sparse) return nameOfSparse(scan, field);
  const wanted = NAME_FIELDS[field.number];
  if (wanted === undefined || field.wire !== 2) return null;
  let name = '';
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === wanted) name = await scan.text(part, TEXT_BYTES_MAX, 'name');
  });
  return name;
}

/** A sparse tensor is called as its values. */
async function nameOfSparse(scan: OnnxScanner, field: ProtoField): Promise<string> {
  let name = '';
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number !== 1) return;
    await scan.fields(part.start, part.end, async (inner) => {
      if (inner.number === 8) name = await scan.text(inner, TEXT_BYTES_MAX, 'name');
    });
  });
  return name;
}
