/**
 * safetensors: 8 bytes with the header's length, a JSON header, then the tensors' bytes without gaps.
 *
 * As strict as the reference implementation: what it refuses to load (holes, overlaps, wrong sizes,
 * duplicate names, a header above 100 MB) is a blob here. Start at `safetensorsReader`.
 */
import { type ByteSource, throwIfAborted } from '../../../base/bytes/files.js';
import { LimitError, TruncatedError } from '../../../base/errors.js';
import {
  RANK_MAX,
  SAFETENSORS_HEADER_BYTES_MAX,
  TENSORS_PER_FILE_MAX,
} from '../../../base/limits.js';
import { DTYPES, type DType, isSafetensorsDType } from '../../tensor/dtype.js';
import {
  type ExtentSpan,
  elementCount,
  type FileLayout,
  type TensorSpan,
  type VariableRange,
} from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { assignRoles, stepOf } from '../roles.js';
import { JsonScanner } from './json-scan.js';

const LENGTH_BYTES = 8;

/** One tensor of the header; offsets count from the end of the header. */
interface HeaderTensor {
  name: string;
  dtype: DType;
  shape: number[];
  begin: number;
  end: number;
}

interface Header {
  tensors: HeaderTensor[];
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
  const { tensors, metadata, variable } = parseHeader(source, bytes);
  // Array.sort is stable: tensors without bytes keep the order of the header.
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const dataStart = LENGTH_BYTES + bytes.length;
  checkCoverage(source, tensors, source.size - dataStart);
  const roles = assignRoles(tensors.map((tensor) => tensor.name));
  const extents: ExtentSpan[] = [];
  const spans = tensors.map(({ name, dtype, shape, begin, end }, i): TensorSpan => {
    const offset = dataStart + begin;
    const { width } = DTYPES[dtype];
    if (end > begin) {
      extents.push({ offset, width, count: (end - begin) / width, byteSwap: false });
    }
    return { name, dtype, shape, strides: null, offset, role: roles[i] ?? 'weights' };
  });
  return {
    format: 'safetensors',
    extents,
    tensors: spans,
    variable,
    step: stepOf(metadata),
    references: [],
    external: [],
    warnings: [],
  };
}

/** Checks that sorted tensors cover `dataBytes` exactly once and have the size of their shape. */
function checkCoverage(
  source: ByteSource,
  tensors: readonly HeaderTensor[],
  dataBytes: number,
): void {
  let at = 0;
  for (const { name, dtype, shape, begin, end } of tensors) {
    if (begin !== at || end < begin) {
      const relation = begin < at ? 'overlaps what lies before it' : 'leaves a hole before it';
      throw corrupt(
        source,
        `tensor '${name}' at ${begin} to ${end} ${relation}, which ends at ${at}`,
      );
    }
    const bits = elementCount(shape) * DTYPES[dtype].bits;
    if (bits !== (end - begin) * 8) {
      throw corrupt(
        source,
        `tensor '${name}' has ${end - begin} bytes, ${dtype} of shape [${shape}] needs ${bits / 8}`,
      );
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw corrupt(source, `the tensors have ${at} bytes, the file has ${dataBytes} for them`);
  }
}

/**
 * Walks the header once. Its variable ranges are the length, the metadata and the padding, each
 * together with a bracket or comma that is always there: so files of one network have the same fixed
 * bytes and equally many ranges, whether they have metadata first or none, padding or none.
 */
function parseHeader(source: ByteSource, bytes: Uint8Array): Header {
  const scan = new JsonScanner(bytes, source.name, LENGTH_BYTES);
  const tensors: HeaderTensor[] = [];
  const names = new Set<string>();
  let metadata = new Map<string, string>();
  const head = { start: 0, end: 1 };
  let later: { start: number; end: number } | null = null;
  let lastEnd = 0;
  scan.object((name) => {
    if (names.has(name)) throw scan.error(`two tensors are named '${name}'`);
    names.add(name);
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
    } else tensors.push(parseTensor(scan, name));
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

function parseMetadata(scan: JsonScanner): Map<string, string> {
  const metadata = new Map<string, string>();
  if (scan.skipWord()) return metadata;
  scan.object((key) => metadata.set(key, scan.string()));
  return metadata;
}

function parseTensor(scan: JsonScanner, name: string): HeaderTensor {
  let dtype: string | null = null;
  let shape: number[] | null = null;
  let offsets: number[] | null = null;
  const once = (value: unknown): void => {
    if (value !== null) throw scan.error(`tensor '${name}' has a field twice`);
  };
  scan.object((key) => {
    if (key === 'dtype') {
      once(dtype);
      dtype = scan.string();
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
  if (!isSafetensorsDType(dtype)) {
    throw scan.error(`tensor '${name}' has the unknown dtype '${(dtype as string).slice(0, 40)}'`);
  }
  const [begin, end] = offsets as number[];
  if (begin === undefined || end === undefined) {
    throw scan.error(`tensor '${name}' has fewer than two offsets`);
  }
  return { name, dtype, shape, begin, end };
}

function parseCounts(scan: JsonScanner, what: string, countMax: number): number[] {
  const counts: number[] = [];
  scan.array(() => {
    if (counts.length >= countMax) throw scan.error(`more than ${countMax} of what is ${what}`);
    counts.push(scan.count(what));
  });
  return counts;
}
