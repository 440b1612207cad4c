/**
 * safetensors: 8 bytes with the header's length, a JSON header, then the tensors' bytes without gaps.
 *
 * As strict as the reference implementation: what it refuses to load (holes, overlaps, wrong sizes,
 * duplicate names, a header above 100 MB) is a blob here. Start at `safetensorsReader`.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import type { ByteSource } from '../../../base/bytes/byte-source.js';
import { LimitError, TruncatedError } from '../../../base/errors.js';
import {
  RANK_MAX,
  SAFETENSORS_HEADER_BYTES_MAX,
  TENSORS_PER_FILE_MAX,
} from '../../../base/limits.js';
import { DTYPES, type DType, safetensorsDType } from '../../tensor/dtype.js';
import {
  blobLayout,
  type ExtentSpan,
  elementCount,
  type FileLayout,
  type Role,
  type TensorSpan,
  type VariableRange,
} from '../../tensor/layout.js';
import { CUT_HINT, corrupt, type FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { assignRoles, STEP_KEYS, stepOf } from '../roles.js';
import { JsonScanner } from './json-scan.js';

const LENGTH_BYTES = 8;

interface Header {
  /** In the order of the header; roles are not assigned yet. */
  tensors: TensorSpan[];
  metadata: Map<string, string>;
  variable: VariableRange[];
}

export const safetensorsReader: FormatReader = {
  name: 'safetensors',

  matches(head) {
    if (head.length < LENGTH_BYTES + 2 || head[LENGTH_BYTES] !== 0x7b) return false;
    // A text file could have '{' there as well, but no byte of a length this large.
    const top = head[LENGTH_BYTES - 1] as number;
    const next = head[LENGTH_BYTES + 1] as number;
    return (top === 0 || top >= 0x80) && [0x22, 0x7d, 0x20, 0x0a, 0x0d, 0x09].includes(next);
  },

  async layout(source, signal) {
    const header = await readHeader(source);
    throwIfAborted(signal);
    return headerLayout(source, header);
  },
};

async function readHeader(source: ByteSource): Promise<Uint8Array> {
  const prefix = Buffer.from(await source.read(0, LENGTH_BYTES));
  const length = prefix.readBigUInt64LE(0);
  if (length > BigInt(SAFETENSORS_HEADER_BYTES_MAX)) {
    throw new LimitError(
      `'${source.name}': a header of ${length} bytes, more than ${SAFETENSORS_HEADER_BYTES_MAX}`,
      { file: source.name, limit: 'SAFETENSORS_HEADER_BYTES_MAX', value: String(length) },
    );
  }
  if (Number(length) > source.size - LENGTH_BYTES) {
    throw new TruncatedError(
      `'${source.name}' ends early: its header is said to have ${length} bytes, ${source.size - LENGTH_BYTES} are left`,
      {
        file: source.name,
        offset: LENGTH_BYTES,
        neededBytes: Number(length),
        gotBytes: source.size - LENGTH_BYTES,
      },
    );
  }
  return source.read(LENGTH_BYTES, Number(length));
}

function headerLayout(source: ByteSource, bytes: Uint8Array): FileLayout {
  const budget = new MemoryBudget(source.name);
  budget.grant(bytes.length);
  const { tensors, metadata, variable } = parseHeader(source, bytes, budget);
  // Array.sort is stable: tensors without bytes keep the order of the header.
  tensors.sort((a, b) => a.offset - b.offset || spanBytes(a) - spanBytes(b));
  checkCoverage(source, tensors, LENGTH_BYTES + bytes.length);
  const roles = assignRoles(tensors.map((tensor) => tensor.name));
  const extents: ExtentSpan[] = [];
  for (const [i, tensor] of tensors.entries()) {
    tensor.role = roles[i] as Role;
    const { width } = DTYPES[tensor.dtype];
    const count = spanBytes(tensor) / width;
    if (count > 0) extents.push({ offset: tensor.offset, width, count, byteSwap: false });
  }
  const step = stepOf(metadata);
  return budget.layout({
    ...blobLayout(),
    format: 'safetensors',
    extents,
    tensors,
    variable,
    step,
  });
}

/** Bytes of a tensor of a header that was checked. */
function spanBytes({ dtype, shape }: TensorSpan): number {
  return (elementCount(shape) * DTYPES[dtype].bits) / 8;
}

/** Checks that sorted tensors cover the file from `dataStart` on exactly once. */
function checkCoverage(
  source: ByteSource,
  tensors: readonly TensorSpan[],
  dataStart: number,
): void {
  let at = dataStart;
  for (const tensor of tensors) {
    const { name, offset } = tensor;
    const end = offset + spanBytes(tensor);
    if (offset !== at) {
      const relation = offset < at ? 'overlaps what lies before it' : 'leaves a hole before it';
      throw corrupt(
        source,
        `tensor '${name}' at ${offset - dataStart} to ${end - dataStart} ${relation}, which ends at ${at - dataStart}`,
      );
    }
    at = end;
  }
  if (at !== source.size) {
    const error = corrupt(
      source,
      `the tensors have ${at - dataStart} bytes, the file has ${source.size - dataStart} for them`,
    );
    if (at > source.size) error.data.hint = CUT_HINT;
    throw error;
  }
}

/**
 * Walks the header once. Its variable ranges are the length, the metadata and the padding, each
 * together with a bracket or comma that is always there: so files of one network have the same fixed
 * bytes and equally many ranges, whether they have metadata first or none, padding or none.
 */
function parseHeader(source: ByteSource, bytes: Uint8Array, budget: MemoryBudget): Header {
  const scan = new JsonScanner(bytes, source.name, LENGTH_BYTES);
  const dataStart = LENGTH_BYTES + bytes.length;
  const tensors: TensorSpan[] = [];
  const names = new Set<string>();
  let metadata = new Map<string, string>();
  const head = { start: 0, end: 1 };
  let later: { start: number; end: number } | null = null;
  let lastEnd = 0;
  scan.object((name) => {
    if (names.has(name)) throw scan.error(`two tensors are named '${name}'`);
    names.add(name);
    budget.charge(CHARGES.entry);
    if (names.size > TENSORS_PER_FILE_MAX) {
      throw new LimitError(`'${source.name}': more than ${TENSORS_PER_FILE_MAX} tensors`, {
        file: source.name,
        limit: 'TENSORS_PER_FILE_MAX',
      });
    }
    if (name === '__metadata__') {
      metadata = parseMetadata(scan);
      if (names.size === 1) head.end = scan.peek() === 0x2c ? scan.at + 1 : scan.at;
      else later = { start: lastEnd, end: scan.at };
    } else {
      const tensor = parseTensor(scan, name, dataStart);
      budget.chargeTensor(name, tensor.shape.length);
      if (!tensor.shape.includes(0)) budget.charge(CHARGES.extent);
      tensors.push(tensor);
    }
    lastEnd = scan.at;
  });
  const closing = scan.at - 1;
  scan.end();
  const ranges = [head, ...(later === null ? [] : [later]), { start: closing, end: bytes.length }];
  const variable: VariableRange[] = [{ offset: 0, length: LENGTH_BYTES, fixedLength: true }];
  for (const { start, end } of ranges) {
    variable.push({ offset: LENGTH_BYTES + start, length: end - start, fixedLength: false });
  }
  return { tensors, metadata, variable };
}

/** The part of the metadata that dlv reads: other values are many and long in some files. */
function parseMetadata(scan: JsonScanner): Map<string, string> {
  const metadata = new Map<string, string>();
  if (scan.skipWord()) return metadata;
  scan.object((key) => {
    const value = scan.string();
    if (STEP_KEYS.includes(key)) metadata.set(key, value);
  });
  return metadata;
}

/** One tensor, placed in the file and checked to have the bytes that its shape needs. */
function parseTensor(scan: JsonScanner, name: string, dataStart: number): TensorSpan {
  let dtype: DType | null = null;
  let shape: number[] | null = null;
  let offsets: number[] | null = null;
  const once = (value: unknown): void => {
    if (value !== null) throw scan.error(`tensor '${name}' has a field twice`);
  };
  scan.object((key) => {
    if (key === 'dtype') {
      once(dtype);
      dtype = parseDType(scan, name);
    } else if (key === 'shape') {
      once(shape);
      shape = parseCounts(scan, 'a dimension', RANK_MAX);
    } else if (key === 'data_offsets') {
      once(offsets);
      offsets = parseCounts(scan, 'an offset', 2);
    } else scan.skip();
  });
  if (dtype === null || shape === null || offsets === null) {
    throw scan.error(`tensor '${name}' lacks dtype, shape or data_offsets`);
  }
  const [begin, end] = offsets as number[];
  if (begin === undefined || end === undefined) {
    throw scan.error(`tensor '${name}' has fewer than two offsets`);
  }
  const bits = elementCount(shape) * DTYPES[dtype as DType].bits;
  if (bits !== (end - begin) * 8) {
    throw scan.error(
      `tensor '${name}' has ${end - begin} bytes, ${dtype} of shape [${shape}] needs ${bits / 8}`,
    );
  }
  const offset = dataStart + begin;
  return { name, dtype, shape, strides: null, offset, role: 'weights' };
}

function parseDType(scan: JsonScanner, name: string): DType {
  const text = scan.string();
  const dtype = safetensorsDType(text);
  if (dtype !== null) return dtype;
  throw scan.error(`tensor '${name}' has the unknown dtype '${text.slice(0, 40)}'`);
}

function parseCounts(scan: JsonScanner, what: string, countMax: number): number[] {
  const counts: number[] = [];
  scan.array(() => {
    if (counts.length >= countMax) throw scan.error(`more than ${countMax} of what is ${what}`);
    counts.push(scan.count(what));
  });
  // What push leaves free behind the last item takes more than the items.
  return counts.slice();
}
