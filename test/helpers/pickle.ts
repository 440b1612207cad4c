/** Writes pickles and PyTorch archives by hand, each part of which a test can falsify. */
import { buildZip, type ZipPart } from './zip.js';

/** A piece of a pickle program as Latin-1 text. */
export function text(value: string): string {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return `X${length.toString('latin1')}${bytes.toString('latin1')}`;
}

/** Pushes an integer of up to 64 bits. */
export function integer(value: number | bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return `\x8a\x08${bytes.toString('latin1')}`;
}

export function tuple(...items: string[]): string {
  return `(${items.join('')}t`;
}

/** A storage as PyTorch refers to it. */
export function storage(key: string, className: string, count: number | bigint): string {
  const type = `ctorch\n${className}\n`;
  return `${tuple(text('storage'), type, text(key), text('cpu'), integer(count))}Q`;
}

export interface ViewOptions {
  key?: string;
  className?: string;
  count?: number | bigint;
  offset?: number | bigint;
  shape?: (number | bigint)[];
  strides?: (number | bigint)[];
}

/** A call of _rebuild_tensor_v2; by default a vector of 4 floats over the storage '0'. */
export function tensor(options: ViewOptions = {}): string {
  const { key = '0', className = 'FloatStorage', count = 4, offset = 0 } = options;
  const { shape = [4], strides = [1] } = options;
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(
    storage(key, className, count),
    integer(offset),
    tuple(...shape.map(integer)),
    tuple(...strides.map(integer)),
    '\x89',
    'N',
  )}R`;
}

/** A program that makes a dict of these entries. */
export function dictProgram(entries: Record<string, string>): string {
  const items = Object.entries(entries).map(([key, value]) => text(key) + value);
  return `\x80\x02}(${items.join('')}u.`;
}

/** 16 bytes of data for the storage '0'. */
export const FLOATS = Buffer.from(new Float32Array([1, 2, 3, 4]).buffer);

/** An archive around `program`; more parts and other data by `parts`. */
export function torchArchive(
  program: string,
  data: Record<string, Uint8Array> = { 'data/0': FLOATS },
  change: (parts: ZipPart[]) => ZipPart[] = (parts) => parts,
): Buffer {
  const parts: ZipPart[] = [{ name: 'a/data.pkl', data: Buffer.from(program, 'latin1') }];
  for (const [name, bytes] of Object.entries(data)) parts.push({ name: `a/${name}`, data: bytes });
  parts.push({ name: 'a/version', data: Buffer.from('3\n') });
  return buildZip(change(parts));
}
