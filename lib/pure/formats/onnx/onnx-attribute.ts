/**
 * AttributeProto: the settings of a node, among them tensors and whole graphs.
 */

import type { RawAttribute, RawGraph } from './onnx-model.js';
import type { OnnxScanner } from './onnx-scanner.js';
import { readSparseTensor, readTensor, TEXT_BYTES_MAX } from './onnx-tensor.js';
import { exactNumber, type ProtoField, WIRE } from './protobuf.js';

/** Longest text or list that is kept; compiled kernels hide in attributes of some runtimes. */
export const ATTRIBUTE_BYTES_MAX = 64 * 1024;

/** Values collected from the fields of one attribute; which one counts follows from what is there. */
interface Draft {
  name: string;
  reference: string;
  type: number;
  single: RawAttribute | null;
  floats: number[];
  ints: bigint[];
  strings: string[];
  tensors: Extract<RawAttribute, { kind: 'tensors' }>['value'];
  graphs: Extract<RawAttribute, { kind: 'graphs' }>['value'];
  sparses: Extract<RawAttribute, { kind: 'sparses' }>['value'];
  /** Bytes of floats, ints or strings so far: above ATTRIBUTE_BYTES_MAX the list is dropped. */
  listBytes: number;
}

/** AttributeProto.type of the lists: only this tells which kind an empty list is. */
const LIST_TYPES: Record<number, 'floats' | 'ints' | 'strings' | 'tensors' | 'graphs' | 'sparses'> =
  { 6: 'floats', 7: 'ints', 8: 'strings', 9: 'tensors', 10: 'graphs', 12: 'sparses' };
/** AttributeProto.type of the scalars, whose zero a proto3 writer may leave out. */
const SCALAR_TYPES: Record<number, (name: string) => RawAttribute> = {
  1: (name) => ({ name, kind: 'float', value: 0 }),
  2: (name) => ({ name, kind: 'int', value: 0 }),
  3: (name) => ({ name, kind: 'string', value: '' }),
};

/** Reads a graph in an attribute; the reader of graphs passes itself. @param depth of that graph. */
type ReadGraph = (scan: OnnxScanner, field: ProtoField, depth: number) => Promise<RawGraph>;

/** Stands for a scalar where only tensors are wanted. */
const NOT_READ: RawAttribute = { name: '', kind: 'other', value: null };

/** True for an attribute that is or holds tensors. */
export function holdsTensors({ kind, value }: RawAttribute): boolean {
  if (kind === 'tensor' || kind === 'sparse' || kind === 'graph') return true;
  return (kind === 'tensors' || kind === 'sparses' || kind === 'graphs') && value.length > 0;
}

/** Reads the AttributeProto in `field`. @param depth of the graph around it. */
export async function readAttribute(
  scan: OnnxScanner,
  field: ProtoField,
  depth: number,
  readGraph: ReadGraph,
): Promise<RawAttribute> {
  scan.expect(field, WIRE.bytes, 'attribute');
  scan.charge(256);
  const draft: Draft = {
    name: '',
    reference: '',
    type: 0,
    single: null,
    floats: [],
    ints: [],
    strings: [],
    tensors: [],
    graphs: [],
    sparses: [],
    listBytes: 0,
  };
  await scan.fields(field.start, field.end, (part) =>
    readField(scan, draft, part, (graph) => readGraph(scan, graph, depth + 1)),
  );
  return finish(draft);
}

async function readField(
  scan: OnnxScanner,
  draft: Draft,
  field: ProtoField,
  readNested: (field: ProtoField) => Promise<RawGraph>,
): Promise<void> {
  const name = '';
  switch (field.number) {
    case 1:
      draft.name = await scan.text(field, TEXT_BYTES_MAX, 'attribute name');
      return;
    case 2: {
      if (scan.tensorsOnly) {
        draft.single = NOT_READ;
        return;
      }
      scan.expect(field, WIRE.fixed32, 'float');
      const [value = 0] = toFloats(await scan.bytes(field, 4, 'float'));
      draft.single = { name, kind: 'float', value };
      return;
    }
    case 3:
      if (scan.tensorsOnly) draft.single = NOT_READ;
      else draft.single = { name, kind: 'int', value: exactNumber(scan.int64(field, 'int')) };
      return;
    case 4:
      if (scan.tensorsOnly) draft.single = NOT_READ;
      else draft.single = { name, kind: 'string', value: await shortText(scan, field) };
      return;
    case 5:
      draft.single = { name, kind: 'tensor', value: await readTensor(scan, field) };
      return;
    case 6:
      draft.single = { name, kind: 'graph', value: await readNested(field) };
      return;
    case 7:
    case 8:
    case 9:
      return scan.tensorsOnly ? undefined : readList(scan, draft, field);
    case 10:
      draft.tensors.push(await readTensor(scan, field));
      return;
    case 11:
      draft.graphs.push(await readNested(field));
      return;
    case 20:
      draft.type = scan.count(field, 'attribute type');
      return;
    case 21:
      draft.reference = await scan.text(field, TEXT_BYTES_MAX, 'attribute reference');
      return;
    case 22:
      draft.single = { name, kind: 'sparse', value: await readSparseTensor(scan, field) };
      return;
    case 23:
      draft.sparses.push(await readSparseTensor(scan, field));
      return;
    default:
  }
}

async function shortText(scan: OnnxScanner, field: ProtoField): Promise<string | null> {
  scan.expect(field, WIRE.bytes, 'string');
  if (field.end - field.start > ATTRIBUTE_BYTES_MAX) return null;
  return scan.text(field, ATTRIBUTE_BYTES_MAX, 'string');
}

async function readList(scan: OnnxScanner, draft: Draft, field: ProtoField): Promise<void> {
  draft.listBytes += field.end - field.start;
  if (draft.listBytes > ATTRIBUTE_BYTES_MAX) return;
  if (field.number === 8) {
    await scan.appendInts(draft.ints, field, ATTRIBUTE_BYTES_MAX, 'ints');
  } else if (field.number === 9) {
    scan.charge(32);
    draft.strings.push(await scan.text(field, ATTRIBUTE_BYTES_MAX, 'strings'));
  } else {
    if (field.wire !== WIRE.fixed32) scan.expect(field, WIRE.bytes, 'floats');
    const bytes = await scan.bytes(field, ATTRIBUTE_BYTES_MAX, 'floats');
    if (bytes.length % 4 !== 0) throw scan.corrupt(field.start, 'floats end inside an element');
    scan.charge(2 * bytes.length);
    for (const value of toFloats(bytes)) draft.floats.push(value);
  }
}

function toFloats(bytes: Uint8Array): Float32Array {
  // The copy is aligned, whatever buffer the bytes come from.
  const own = new Uint8Array(bytes);
  return new Float32Array(own.buffer, 0, own.length / 4);
}

function finish(draft: Draft): RawAttribute {
  const { name } = draft;
  if (draft.reference !== '') return { name, kind: 'reference', value: draft.reference };
  const lists = {
    floats: draft.floats,
    ints: draft.ints,
    strings: draft.strings,
    tensors: draft.tensors,
    graphs: draft.graphs,
    sparses: draft.sparses,
  };
  const kinds = Object.keys(lists) as (keyof typeof lists)[];
  const kind =
    LIST_TYPES[draft.type] ??
    (draft.single === null ? kinds.find((key) => lists[key].length > 0) : undefined);
  if (kind !== undefined) {
    const kept = draft.listBytes <= ATTRIBUTE_BYTES_MAX;
    const value = kind === 'ints' ? draft.ints.map(exactNumber) : lists[kind];
    return { name, kind, value: kept ? value : null } as RawAttribute;
  }
  if (draft.single !== null) return { ...draft.single, name };
  return SCALAR_TYPES[draft.type]?.(name) ?? { name, kind: 'other', value: null };
}
