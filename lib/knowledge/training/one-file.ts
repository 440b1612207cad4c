/** A network whose weights lie in data files beside it, as one file that has them itself: trainers read and write one. */
import path from 'node:path';
import { LimitError, TruncatedError } from '../../base/errors.js';
import { copyFile, ReadFile, WriteFile } from '../../base/files/files.js';
import { readOnnxModel } from '../../pure/formats/onnx/onnx-graph.js';
import {
  editModel,
  type NewTensor,
  streamPieces,
} from '../../pure/formats/onnx/write/edited-model.js';
import { readModelParts } from '../../pure/formats/onnx/write/model-parts.js';
import { DTYPES } from '../../pure/tensor/dtype.js';

/** Of weights that are taken into the file: they are in memory meanwhile. */
const BYTES_MAX = 1024 * 1024 * 1024;

/** Copies a network to a file that needs no other. @throws {LimitError} {IoError} {TruncatedError} {CorruptError} */
export async function copyAsOneFile(from: string, target: string, label: string): Promise<void> {
  const file = await ReadFile.open(from, label);
  try {
    const raw = await readOnnxModel(file);
    const beside = raw.graph.initializers.filter(({ data }) => data.kind === 'external');
    if (beside.length === 0) {
      await copyFile(from, target);
      return;
    }
    const taken: NewTensor[] = [];
    let bytes = 0;
    for (const { name, dataType, dtype, shape, data } of beside) {
      if (data.kind !== 'external') continue;
      const count = shape.reduce((product, size) => product * size, 1);
      const length =
        data.length ?? (dtype === null ? 0 : Math.ceil((count * DTYPES[dtype].bits) / 8));
      bytes += length;
      if (bytes > BYTES_MAX) {
        throw new LimitError(`the weights beside '${label}' are more than ${BYTES_MAX} bytes`, {
          ...{ limit: 'bytes of weights beside a network', value: bytes, max: BYTES_MAX },
          hint: 'train it with a command that reads the version itself',
        });
      }
      const place = path.join(path.dirname(from), ...data.location.split('/'));
      const elements = await readPart(place, data.offset, length);
      taken.push({
        ...{ name, dataType, shape, bytes: length },
        elements: () => [elements],
      });
    }
    const { nodes, initializers, inputs, outputs, values } = raw.graph;
    const gone = new Set(beside.map(({ name }) => name));
    const edit = {
      nodes: nodes.map((node, source) => ({ source, node })),
      keptTensors: new Set(initializers.map(({ name }) => name).filter((one) => !gone.has(one))),
      newTensors: taken,
      ...{ inputs, outputs },
      sameEnds: new Set([...inputs, ...outputs].map(({ name }) => name)),
      keptValues: new Set(values.map(({ name }) => name)),
    };
    const { pieces } = editModel(await readModelParts(file), edit, nodes);
    const out = await WriteFile.create(target);
    try {
      for await (const part of streamPieces(pieces, file)) await out.write(part);
    } finally {
      await out.close();
    }
  } finally {
    await file.close();
  }
}

async function readPart(place: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await ReadFile.open(place);
  try {
    if (offset + length > file.size) {
      throw new TruncatedError(
        `'${path.basename(place)}' has ${file.size} bytes, and weights end at ${offset + length}`,
        {
          file: place,
        },
      );
    }
    return await file.read(offset, length);
  } finally {
    await file.close();
  }
}
