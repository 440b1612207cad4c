/** Reads a ValueInfoProto: name, type and shape of an input, an output or a value between. */
import { RANK_MAX } from '../../../base/limits.js';
import type { RawValueInfo } from './onnx-model.js';
import { OBJECT_BYTES, type OnnxScanner } from './onnx-scanner.js';
import { TEXT_BYTES_MAX } from './onnx-tensor.js';
import { exactNumber, type ProtoField, WIRE } from './protobuf.js';

const VALUE_KINDS: Record<number, RawValueInfo['kind']> = {
  1: 'tensor',
  4: 'sequence',
  5: 'map',
  7: 'opaque',
  8: 'sparse',
  9: 'optional',
};

export async function readValueInfo(scan: OnnxScanner, field: ProtoField): Promise<RawValueInfo> {
  scan.expect(field, WIRE.bytes, 'value');
  scan.charge(OBJECT_BYTES);
  const info: RawValueInfo = { name: '', kind: 'unknown', dataType: null, shape: null };
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) info.name = await scan.text(part, TEXT_BYTES_MAX, 'value name');
    if (part.number !== 2) return;
    scan.expect(part, WIRE.bytes, 'type');
    await scan.fields(part.start, part.end, async (type) => {
      const kind = VALUE_KINDS[type.number];
      if (kind === undefined) return;
      info.kind = kind;
      if (kind === 'tensor' || kind === 'sparse') await readTensorType(scan, type, info);
    });
  });
  return info;
}

async function readTensorType(
  scan: OnnxScanner,
  field: ProtoField,
  info: RawValueInfo,
): Promise<void> {
  scan.expect(field, WIRE.bytes, 'tensor type');
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) info.dataType = scan.count(part, 'element type');
    if (part.number !== 2) return;
    scan.expect(part, WIRE.bytes, 'shape');
    const shape: (number | string | null)[] = [];
    await scan.fields(part.start, part.end, async (dimension) => {
      if (dimension.number !== 1) return;
      scan.expect(dimension, WIRE.bytes, 'dimension');
      if (shape.length === RANK_MAX) throw scan.corrupt(dimension.start, 'the rank is too high');
      shape.push(await readDimension(scan, dimension));
    });
    info.shape = shape;
  });
}

async function readDimension(
  scan: OnnxScanner,
  field: ProtoField,
): Promise<number | string | null> {
  let value: number | string | null = null;
  await scan.fields(field.start, field.end, async (part) => {
    if (part.number === 1) {
      const size = exactNumber(scan.int64(part, 'dimension'));
      // Some exporters write −1 or 0 for "any size"; only a positive number says something.
      value = typeof size === 'number' && size >= 0 ? size : null;
    }
    if (part.number === 2) value = await scan.text(part, TEXT_BYTES_MAX, 'dimension');
  });
  return value;
}
