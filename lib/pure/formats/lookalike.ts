/**
 * What a file looks like that is named like a model and is none: a pointer to another file, a web page,
 * zeros, or the beginning of a model.
 *
 * A name alone says nothing of a format (detect.ts); it says what the user believes to have.
 */
import type { ByteSource } from '../../base/bytes/byte-source.js';
import { isDamage } from '../../base/errors.js';
import { readZipEnd } from './zip/zip-end.js';

/** Endings of files that people take for models. */
const MODEL_NAME =
  /\.(safetensors|pt|pth|ptl|bin|ckpt|onnx|npz|npy|gguf|ggml|h5|hdf5|keras|pkl|pickle|pb|tflite|mlmodel|msgpack|distcp|caffemodel)$/i;
/** Bytes of each read while zeros are looked for. */
const READ_BYTES = 1 << 20;

/** What a file of some name must be if no reader understood it. */
interface Expected {
  name: RegExp;
  what: string;
  /** True if the file may well be one. */
  fits(head: Buffer, source: ByteSource): boolean | Promise<boolean>;
}

const HDF5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');
/** Places where HDF5 may begin: behind a block of the user's. */
const HDF5_PLACES = [0, 512, 1024, 2048];
const begins = (head: Buffer, text: string, at = 0): boolean =>
  head.toString('latin1', at, at + text.length) === text;

const EXPECTED: readonly Expected[] = [
  // What these readers do not claim is none; what they claim and refuse has a warning of theirs.
  { name: /\.safetensors$/i, what: 'a safetensors file', fits: () => false },
  { name: /\.onnx$/i, what: 'an ONNX model', fits: () => false },
  { name: /\.npy$/i, what: 'a NumPy array', fits: () => false },
  // A pickle and a zip archive of another tool are nothing to warn of.
  {
    name: /\.(pt|pth)$/i,
    what: 'a PyTorch file',
    fits: (head, source) => head[0] === 0x80 || fitsZip(head, source),
  },
  { name: /\.(npz|keras)$/i, what: 'a zip archive', fits: fitsZip },
  { name: /\.(h5|hdf5)$/i, what: 'an HDF5 file', fits: fitsHdf5 },
  {
    name: /\.gguf$/i,
    what: 'a GGUF file',
    // Magic, version, and the counts of tensors and of metadata.
    fits: (head, { size }) =>
      (begins(head, 'GGUF') || begins(head, 'FUGG')) && size >= 4 + 4 + 8 + 8,
  },
  { name: /\.tflite$/i, what: 'a TFLite model', fits: (head) => begins(head, 'TFL3', 4) },
];

function fitsHdf5(head: Buffer, { size }: ByteSource): boolean {
  if (!HDF5_PLACES.some((at) => HDF5.equals(head.subarray(at, at + HDF5.length)))) return false;
  const end = endPlace(head);
  return end === null || head.length < end + 8 || head.readBigUInt64LE(end) <= BigInt(size);
}

/** Where the superblock says how long the file is: behind two addresses of 8 bytes; null if unknown. */
function endPlace(head: Buffer): number | null {
  if (!HDF5.equals(head.subarray(0, HDF5.length))) return null;
  const version = head[8] ?? 255;
  if (version <= 1) return head[13] === 8 ? 24 + 4 * version + 2 * 8 : null;
  return version <= 3 && head[9] === 8 ? 12 + 2 * 8 : null;
}

async function fitsZip(head: Buffer, source: ByteSource): Promise<boolean> {
  if (!begins(head, 'PK')) return false;
  try {
    await readZipEnd(source);
    return true;
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

/**
 * A sentence about a file that no reader understood, to be shown behind its name; null if there is
 * nothing to say of it.
 * @param head  the first bytes of the file.
 */
export async function describeLookalike(
  source: ByteSource,
  head: Uint8Array,
): Promise<string | null> {
  if (!MODEL_NAME.test(source.name)) return null;
  if (source.size === 0) return 'is named like a model and is empty: copy or export it again';
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const text = bytes.toString('latin1', 0, 1024);
  if (/^version https:\/\/[^\n]*git-lfs/.test(text)) {
    return "is a pointer of git-lfs, not the model: run 'git lfs pull' and add it again";
  }
  if (/^(\xef\xbb\xbf)?\s*(<!doctype html|<html|<head|<\?xml|<!--)/i.test(text)) {
    return 'is a web page, not the model: the download answered with an error or a login; fetch it again';
  }
  if (/^\s*\{\s*"(error|message|detail)"/.test(text)) {
    return 'is an error message in JSON, not the model: fetch it again';
  }
  if (await isZeros(source, head)) {
    return `is ${source.size} zero bytes, not a model: its writing was interrupted; copy or export it again`;
  }
  const expected = EXPECTED.find(({ name }) => name.test(source.name));
  if (expected === undefined || (await expected.fits(bytes, source))) return null;
  return (
    `is named like ${expected.what} and cannot be read as one: it may be truncated or in another format; ` +
    'copy or export it again'
  );
}

/** Reads no more than it must: a model has other bytes near its start. */
async function isZeros(source: ByteSource, head: Uint8Array): Promise<boolean> {
  if (head.some((byte) => byte !== 0)) return false;
  for (let at = head.length; at < source.size; at += READ_BYTES) {
    const bytes = await source.read(at, Math.min(READ_BYTES, source.size - at));
    if (bytes.some((byte) => byte !== 0)) return false;
  }
  return true;
}
