/** Reads a NodeProto. Graphs in its attributes are read by whoever reads the graph around it. */
import { holdsTensors, readAttribute } from './onnx-attribute.js';
import type { RawNode } from './onnx-model.js';
import { OBJECT_BYTES, type OnnxScanner } from './onnx-scanner.js';
import { TEXT_BYTES_MAX } from './onnx-tensor.js';
import { type ProtoField, WIRE } from './protobuf.js';

/** Where a node stands. */
export interface NodePlace {
  readonly scan: OnnxScanner;
  /** Nesting of the graph that it is in. */
  readonly depth: number;
  readonly readGraph: Parameters<typeof readAttribute>[3];
}

/**
 * Reads a node and adds it. Where only tensors are wanted, a node without tensors is left out, and one
 * without a name is named after its `index` in the file.
 */
export async function addNode(
  place: NodePlace,
  { nodes, index }: { nodes: RawNode[]; index: number },
  field: ProtoField,
): Promise<void> {
  const { scan } = place;
  const { charged } = scan.budget;
  const node = await readNode(place, field);
  if (scan.tensorsOnly) {
    if (node.attributes.length === 0) return scan.budget.release(charged);
    node.name ||= `${node.opType}#${index}`;
  }
  nodes.push(node);
}

async function readNode(
  { scan, depth, readGraph }: NodePlace,
  field: ProtoField,
): Promise<RawNode> {
  scan.expect(field, WIRE.bytes, 'node');
  scan.charge(OBJECT_BYTES);
  const node: RawNode = {
    name: '',
    opType: '',
    domain: '',
    overload: '',
    modules: [],
    inputs: [],
    outputs: [],
    attributes: [],
  };
  const text = (part: ProtoField, name: string) => scan.text(part, TEXT_BYTES_MAX, name);
  await scan.fields(field.start, field.end, async (part) => {
    switch (part.number) {
      case 1:
        if (!scan.tensorsOnly) node.inputs.push(await text(part, 'input'));
        return;
      case 2:
        // The first output names the tensor of a Constant.
        if (!scan.tensorsOnly || node.outputs.length === 0) {
          node.outputs.push(await text(part, 'output'));
        }
        return;
      case 3:
        node.name = await text(part, 'node name');
        return;
      case 4:
        node.opType = await text(part, 'operator type');
        return;
      case 5: {
        const attribute = await readAttribute(scan, part, depth, readGraph);
        if (!scan.tensorsOnly || holdsTensors(attribute)) node.attributes.push(attribute);
        return;
      }
      case 7:
        node.domain = await text(part, 'operator domain');
        return;
      case 8:
        node.overload = await text(part, 'overload');
        return;
      case 9:
        if (!scan.tensorsOnly) await readModule(scan, part, node.modules);
        return;
      default:
    }
  });
  return node;
}

/** Keys of metadata_props of a node that PyTorch writes the modules around it under. */
const MODULE_KEYS: ReadonlySet<string> = new Set(['namespace', 'pkg.torch.onnx.name_scopes']);

/** Keeps an entry of metadata_props that says of which module a node is; others hold stack traces. */
async function readModule(
  scan: OnnxScanner,
  field: ProtoField,
  modules: RawNode['modules'],
): Promise<void> {
  scan.expect(field, WIRE.bytes, 'entry');
  let key = '';
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1 && part.end - part.start <= KEY_BYTES_MAX) {
      key = await scan.text(part, KEY_BYTES_MAX, 'key');
    }
    if (part.number !== 2 || !MODULE_KEYS.has(key)) return;
    if (part.end - part.start > TEXT_BYTES_MAX) return;
    scan.charge(OBJECT_BYTES);
    modules.push({ key, value: await scan.text(part, TEXT_BYTES_MAX, 'module') });
  });
}

/** Longer keys are none of MODULE_KEYS. */
const KEY_BYTES_MAX = 64;
