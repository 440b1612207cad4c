/**
 * What a file looks like that is named like a model and is none: a pointer to another file, a web page,
 * zeros, or the beginning of a model.
 *
 * A name alone says nothing of a format (detect.ts); it says what the user believes to have.
 */
import type { ByteSource } from '../../base/bytes/byte-source.js';
import { isDamage } from '../../base/errors.js';
import { isWholeGguf, isWholeHdf5, isWholePickle } from './whole-file.js';
import { readZipEnd } from './zip/zip-end.js';

/** Endings of files that people take for models. */
const MODEL_NAME =
  /\.(safetensors|pt|pt2|pth|ptl|bin|ckpt|onnx|onnx[._]data|npz|npy|gguf|ggml|h5|hdf5|keras|pkl|pickle|joblib|pb|tflite|mlmodel|msgpack|distcp|caffemodel|weights|params|pdparams|pdiparams|nemo|mar|engine|data-\d+-of-\d+)$/i;
/** What servers answer in words, and the most bytes of that. */
const REFUSAL =
  /^\s*([45]\d\d\b|error\b|(entry|file|repository|page|revision|object)? ?not found|invalid (username|credentials|token|rev)|access (denied|to )|unauthori[sz]ed|forbidden|too many requests|rate limit|bad gateway|internal server error|service unavailable)/i;
const REFUSAL_BYTES_MAX = 1024;
/** Bytes of each read while zeros are looked for. */
const READ_BYTES = 1 << 20;

/** What a file of some name must be if no reader understood it. */
interface Expected {
  name: RegExp;
  what: string;
  /** True if the file may well be one. */
  fits(head: Buffer, source: ByteSource): boolean | Promise<boolean>;
}

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
  // What holds an array has a reader; what is empty was written so.
  { name: /\.npz$/i, what: 'an archive of NumPy arrays', fits: isEmptyZip },
  {
    name: /\.keras$/i,
    what: 'a Keras model',
    fits: (head, source) => isWholeHdf5(head, source) || fitsZip(head, source),
  },
  { name: /\.(h5|hdf5)$/i, what: 'an HDF5 file', fits: isWholeHdf5 },
  { name: /\.gguf$/i, what: 'a GGUF file', fits: isWholeGguf },
  { name: /\.(pkl|pickle)$/i, what: 'a pickle', fits: isWholePickle },
  { name: /\.tflite$/i, what: 'a TFLite model', fits: (head) => begins(head, 'TFL3', 4) },
];

async function fitsZip(head: Buffer, source: ByteSource): Promise<boolean> {
  return (await zipEntries(head, source)) !== null;
}

async function isEmptyZip(head: Buffer, source: ByteSource): Promise<boolean> {
  return (await zipEntries(head, source)) === 0;
}

/** How many entries a zip archive says it has; null for what is none. */
async function zipEntries(head: Buffer, source: ByteSource): Promise<number | null> {
  if (!begins(head, 'PK')) return null;
  try {
    return (await readZipEnd(source)).entryCount;
  } catch (error) {
    if (isDamage(error)) return null;
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
  if (/^version https:\/\/[^\n]*(git-lfs|hawser)/.test(text)) {
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
  if (source.size <= REFUSAL_BYTES_MAX && REFUSAL.test(text)) {
    return 'is the answer of a server in words, not the model: fetch it again';
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
