/**
 * Reads the structure of an ONNX file: `readOnnxModel` all of it, `readOnnxGraph` its main graph.
 *
 * The file is scanned once, in file order, by positioned reads; payloads of tensors are skipped. All
 * that is kept is charged to one budget, so a hostile file cannot take more than a few hundred MiB.
 *
 * @see onnx.proto3 of ONNX for the field numbers.
 */

import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError } from '../../../base/errors.js';
import { NESTING_MAX } from '../../../base/limits.js';
import { readAttribute } from './onnx-attribute.js';
import type { RawFunction, RawGraph, RawModel } from './onnx-model.js';
import { addNode } from './onnx-node.js';
import { OBJECT_BYTES, OnnxScanner } from './onnx-scanner.js';
import { readEntry, readSparseTensor, readTensor, TEXT_BYTES_MAX } from './onnx-tensor.js';
import { readValueInfo } from './onnx-value.js';
import { exactNumber, type ProtoField, WIRE } from './protobuf.js';

/** The main graph of an ONNX file. @throws as `readOnnxModel`. */
export async function readOnnxGraph(source: ByteSource, signal?: AbortSignal): Promise<RawGraph> {
  return (await readOnnxModel(source, signal)).graph;
}

/**
 * Reads the structure of an ONNX file in bounded memory.
 *
 * @throws {CorruptError} DLV_CORRUPT if it is not a ModelProto or contradicts itself; {TruncatedError}
 * if a field reaches beyond its message; {LimitError} beyond ONNX_STRUCTURE_BYTES_MAX or NESTING_MAX.
 */
export function readOnnxModel(source: ByteSource, signal?: AbortSignal): Promise<RawModel> {
  return readModel(new OnnxScanner(source, { tensorsOnly: false }, signal));
}

/** Reads the model at which a scanner stands: all of it, or what leads to its tensors. */
export async function readModel(scan: OnnxScanner): Promise<RawModel> {
  const graphs: RawGraph[] = [];
  const model: Omit<RawModel, 'graph'> = {
    irVersion: 0,
    producerName: '',
    producerVersion: '',
    domain: '',
    modelVersion: 0,
    opsets: [],
    functions: [],
    training: [],
    metadata: [],
  };
  const text = (field: ProtoField, name: string) => scan.text(field, TEXT_BYTES_MAX, name);
  await scan.fields(0, scan.source.size, async (field) => {
    switch (field.number) {
      case 1:
        model.irVersion = scan.count(field, 'ir_version');
        return;
      case 2:
        model.producerName = await text(field, 'producer_name');
        return;
      case 3:
        model.producerVersion = await text(field, 'producer_version');
        return;
      case 4:
        model.domain = await text(field, 'domain');
        return;
      case 5:
        model.modelVersion = exactNumber(scan.int64(field, 'model_version'));
        return;
      case 7:
        graphs.push(await readGraph(scan, field, 0));
        return;
      case 8:
        model.opsets.push(await readOpset(scan, field));
        return;
      case 14: {
        const { key, value } = await readEntry(scan, field);
        model.metadata.push({ key, value, start: field.keyStart, end: field.end });
        return;
      }
      case 20:
        model.training.push(await readTraining(scan, field));
        return;
      case 25:
        model.functions.push(await readFunction(scan, field));
        return;
      default:
    }
  });
  const [graph] = graphs;
  // Two graph fields would be merged by a protobuf library; no writer makes them.
  if (graph === undefined || graphs.length > 1) {
    throw scan.corrupt(0, `an ONNX model has one graph, this file has ${graphs.length}`);
  }
  return { ...model, graph };
}

/** Reads a GraphProto. @param depth of nesting, 0 for the main graph. */
export async function readGraph(
  scan: OnnxScanner,
  field: ProtoField,
  depth: number,
): Promise<RawGraph> {
  checkDepth(scan, field, depth);
  scan.charge(OBJECT_BYTES);
  const graph: RawGraph = {
    name: '',
    nodes: [],
    inputs: [],
    outputs: [],
    values: [],
    initializers: [],
    sparseInitializers: [],
  };
  let nodes = 0;
  await scan.fields(field.start, field.end, async (part) => {
    if (scan.tensorsOnly && VALUE_FIELDS.has(part.number)) return;
    switch (part.number) {
      case 1:
        await addNode({ scan, depth, readGraph }, { nodes: graph.nodes, index: nodes++ }, part);
        return;
      case 2:
        graph.name = await scan.text(part, TEXT_BYTES_MAX, 'graph name');
        return;
      case 5:
        graph.initializers.push(await readTensor(scan, part));
        return;
      case 11:
        graph.inputs.push(await readValueInfo(scan, part));
        return;
      case 12:
        graph.outputs.push(await readValueInfo(scan, part));
        return;
      case 13:
        graph.values.push(await readValueInfo(scan, part));
        return;
      case 15:
        graph.sparseInitializers.push(await readSparseTensor(scan, part));
        return;
      default:
    }
  });
  return graph;
}

/** GraphProto fields of inputs, outputs and values. */
const VALUE_FIELDS = new Set([11, 12, 13]);

function checkDepth(scan: OnnxScanner, field: ProtoField, depth: number): void {
  scan.expect(field, WIRE.bytes, 'graph');
  if (depth < NESTING_MAX) return;
  throw new LimitError(`'${scan.source.name}' has graphs nested deeper than ${NESTING_MAX}`, {
    file: scan.source.name,
    offset: field.start,
    limit: 'nesting',
    max: NESTING_MAX,
  });
}

async function readOpset(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<{ domain: string; version: number | bigint }> {
  scan.expect(field, WIRE.bytes, 'opset_import');
  scan.charge(OBJECT_BYTES);
  const opset = { domain: '', version: 0 as number | bigint };
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) opset.domain = await scan.text(part, TEXT_BYTES_MAX, 'opset domain');
    if (part.number === 2) opset.version = exactNumber(scan.int64(part, 'opset version'));
  });
  return opset;
}

async function readTraining(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<RawModel['training'][number]> {
  scan.expect(field, WIRE.bytes, 'training_info');
  scan.charge(OBJECT_BYTES);
  const info: RawModel['training'][number] = { initialization: null, algorithm: null };
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) info.initialization = await readGraph(scan, part, 1);
    if (part.number === 2) info.algorithm = await readGraph(scan, part, 1);
  });
  return info;
}

async function readFunction(scan: OnnxScanner, field: ProtoField): Promise<RawFunction> {
  scan.expect(field, WIRE.bytes, 'function');
  scan.charge(OBJECT_BYTES);
  const made: RawFunction = {
    name: '',
    domain: '',
    overload: '',
    inputs: [],
    outputs: [],
    attributes: [],
    defaults: [],
    nodes: [],
  };
  const text = (part: ProtoField, name: string) => scan.text(part, TEXT_BYTES_MAX, name);
  let nodes = 0;
  await scan.fields(field.start, field.end, async (part) => {
    switch (part.number) {
      case 1:
        made.name = await text(part, 'function name');
        return;
      case 4:
        made.inputs.push(await text(part, 'input'));
        return;
      case 5:
        made.outputs.push(await text(part, 'output'));
        return;
      case 6:
        made.attributes.push(await text(part, 'attribute'));
        return;
      case 7:
        await addNode({ scan, depth: 1, readGraph }, { nodes: made.nodes, index: nodes++ }, part);
        return;
      case 10:
        made.domain = await text(part, 'function domain');
        return;
      case 11:
        if (!scan.tensorsOnly) made.defaults.push(await readAttribute(scan, part, 1, readGraph));
        return;
      case 13:
        made.overload = await text(part, 'overload');
        return;
      default:
    }
  });
  return made;
}
