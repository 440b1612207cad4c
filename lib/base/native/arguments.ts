/**
 * Arguments of the kernel as WebAssembly and in TypeScript, refused for what the addon refuses, in the
 * same words (native/addon/arguments.c). Each function returns copies of the arrays it was given, so
 * that an array that changes or has getters is read once.
 */
import { types } from 'node:util';
import { SEGMENT_ELEMENTS } from '../limits.js';
import { ERROR_ARGUMENT, failure } from './failure.js';

const WIDTH_MAX = 8;
const LEVEL_MAX = 2;
const UINT32_MAX = 2 ** 32 - 1;

function refuse(name: string, what: string): never {
  throw failure(ERROR_ARGUMENT, `'${name}' ${what}`);
}

function listOf(name: string, value: unknown, least: number, most: number): Uint8Array[] {
  if (!Array.isArray(value) || value.length < least || value.length > most) {
    const counts = least === most ? `${most}` : `${least} to ${most}`;
    refuse(name, `is not an array of ${counts} Uint8Arrays`);
  }
  return [...value] as Uint8Array[];
}

function checkNumber(name: string, value: unknown, least: number, most: number): void {
  const isWhole = typeof value === 'number' && Number.isInteger(value);
  if (!isWhole || value < least || value > most) {
    refuse(name, `is not a whole number from ${least} to ${most}`);
  }
}

function checkFlag(name: string, value: unknown): void {
  if (typeof value !== 'boolean') refuse(name, 'is not a boolean');
}

function checkBytes(name: string, value: unknown): void {
  if (!types.isUint8Array(value)) refuse(name, 'is not a Uint8Array');
}

/** Checks that planes are equally long, from `least` to `most` bytes. @returns how long. */
function checkPlanes(
  name: string,
  planes: readonly Uint8Array[],
  least: number,
  most: number,
): number {
  let [low, high] = [least, most];
  for (const [k, plane] of planes.entries()) {
    checkBytes(`${name}[${k}]`, plane);
    const { length } = plane;
    if (length < low || length > high) {
      const expected = low === high ? `not ${high}` : `not ${low} to ${high}`;
      refuse(`${name}[${k}]`, `has ${length} bytes, ${expected}`);
    }
    low = length;
    high = length;
  }
  return high;
}

function overlap(a: Uint8Array, b: Uint8Array): boolean {
  return (
    a.length > 0 &&
    b.length > 0 &&
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.length &&
    b.byteOffset < a.byteOffset + a.length
  );
}

/** Checks that nothing that is written to is part of `others` or given twice. */
function checkApart(
  name: string,
  written: readonly Uint8Array[],
  other: string,
  others: readonly Uint8Array[],
): void {
  for (const [k, plane] of written.entries()) {
    const own = written.length > 1 ? `${name}[${k}]` : name;
    const twin = written.slice(0, k).findIndex((earlier) => overlap(plane, earlier));
    if (twin >= 0) refuse(own, `overlaps '${name}[${twin}]'`);
    if (others.some((bytes) => overlap(plane, bytes))) refuse(own, `overlaps '${other}'`);
  }
}

function checkAbort(value: unknown): void {
  if (value === undefined) return;
  const isFlag =
    types.isInt32Array(value) && value.length === 1 && types.isSharedArrayBuffer(value.buffer);
  if (!isFlag) refuse('abort', 'is not an Int32Array of one number in a SharedArrayBuffer');
}

/** Arguments by name, before anything is known of them. */
type Unchecked<Names extends string> = Readonly<Record<Names, unknown>>;

/** What `encode` was given. */
export interface EncodeArguments {
  planes: Uint8Array[];
  base: Uint8Array[] | null;
}

/** Reads the arguments of `encode`. @throws an Error with the number ERROR_ARGUMENT. */
export function readEncode(
  given: Unchecked<'planes' | 'base' | 'level' | 'noPrefix' | 'abort' | 'room' | 'shares'>,
): EncodeArguments {
  const { planes, base, level, noPrefix, abort, room, shares } = given;
  const child = listOf('planes', planes, 1, WIDTH_MAX);
  const under = base === null ? null : listOf('base', base, child.length, child.length);
  checkNumber('level', level, 0, LEVEL_MAX);
  checkFlag('noPrefix', noPrefix);
  const count = checkPlanes('planes', child, 1, SEGMENT_ELEMENTS);
  checkPlanes('base', under ?? [], count, count);
  checkAbort(abort);
  if (room !== undefined) {
    checkBytes('room', room);
    checkApart('room', [room as Uint8Array], 'planes', child);
    checkApart('room', [room as Uint8Array], 'base', under ?? []);
  }
  if (shares !== undefined) checkFlag('shares', shares);
  return { planes: child, base: under };
}

/** What `decode` was given. */
export interface DecodeArguments {
  classes: [hi: Uint8Array, mid: Uint8Array, low: Uint8Array];
  base: Uint8Array[] | null;
  out: Uint8Array[] | null;
}

/** Reads the arguments of `decode`. @throws an Error with the number ERROR_ARGUMENT. */
export function readDecode(
  given: Unchecked<'head' | 'classes' | 'base' | 'count' | 'width' | 'wanted' | 'out' | 'abort'>,
): DecodeArguments {
  const { head, classes, base, count, width, wanted, out, abort } = given;
  checkNumber('count', count, 1, SEGMENT_ELEMENTS);
  checkNumber('width', width, 1, WIDTH_MAX);
  checkNumber('wanted', wanted, 1, width as number);
  const payloads = listOf('classes', classes, 3, 3) as DecodeArguments['classes'];
  const under = base === null ? null : listOf('base', base, 1, WIDTH_MAX);
  const target = out === undefined ? null : listOf('out', out, wanted as number, wanted as number);
  checkBytes('head', head);
  for (const [k, payload] of payloads.entries()) checkBytes(`classes[${k}]`, payload);
  checkPlanes('base', under ?? [], count as number, count as number);
  checkPlanes('out', target ?? [], count as number, count as number);
  checkApart('out', target ?? [], 'head', [head as Uint8Array]);
  checkApart('out', target ?? [], 'classes', payloads);
  checkApart('out', target ?? [], 'base', under ?? []);
  checkAbort(abort);
  return { classes: payloads, base: under, out: target };
}

/** Checks the argument of `cutChunk`. @throws an Error with the number ERROR_ARGUMENT. */
export function checkChunk(bytes: unknown): void {
  checkBytes('bytes', bytes);
}

/** Checks the arguments of `sketchDistances`. @throws an Error with the number ERROR_ARGUMENT. */
export function checkSketches(
  sketch: Uint8Array,
  width: number,
  rows: Uint8Array,
  stride: number,
): void {
  checkNumber('width', width, 1, WIDTH_MAX);
  checkNumber('stride', stride, 1, UINT32_MAX);
  checkBytes('sketch', sketch);
  checkBytes('rows', rows);
  if (sketch.length === 0 || sketch.length % width !== 0 || sketch.length > stride) {
    refuse('sketch', `has ${sketch.length} bytes, in rows of ${stride}`);
  }
  if (rows.length % stride !== 0) refuse('rows', `has ${rows.length} bytes, in rows of ${stride}`);
}

/** Bytes of an element of each kind of native/drift.h. */
const KIND_WIDTHS = [4, 2, 2, 8, 1, 1, 2, 2, 4, 4];
const DRIFT_BYTES = 8 * 14;
const WEIGH_BYTES = 8 * 13;
const BINS_BYTES = 4 * 16384;

function checkKind(name: string, planes: readonly Uint8Array[], kind: number): void {
  const width = KIND_WIDTHS[kind] as number;
  if (planes.length > width) {
    refuse(name, `has ${planes.length} planes, and elements of ${width} bytes`);
  }
}

function checkLength(name: string, bytes: Uint8Array, length: number): void {
  checkBytes(name, bytes);
  if (bytes.length !== length) refuse(name, `has ${bytes.length} bytes, not ${length}`);
}

/** Reads the arguments of `drift`. @throws an Error with the number ERROR_ARGUMENT. */
export function readDrift(
  a: unknown,
  aKind: unknown,
  b: unknown,
  bKind: unknown,
  state: Uint8Array,
): { a: Uint8Array[]; b: Uint8Array[]; count: number } {
  const left = listOf('a', a, 1, WIDTH_MAX);
  checkNumber('aKind', aKind, 0, KIND_WIDTHS.length - 1);
  const right = listOf('b', b, 1, WIDTH_MAX);
  checkNumber('bKind', bKind, 0, KIND_WIDTHS.length - 1);
  checkKind('a', left, aKind as number);
  const count = checkPlanes('a', left, 0, UINT32_MAX);
  checkKind('b', right, bKind as number);
  checkPlanes('b', right, count, count);
  checkLength('state', state, DRIFT_BYTES);
  return { a: left, b: right, count };
}

/** Reads the arguments of `weigh`. @throws an Error with the number ERROR_ARGUMENT. */
export function readWeigh(
  planes: unknown,
  kind: unknown,
  state: Uint8Array,
  bins: Uint8Array,
): { planes: Uint8Array[]; count: number } {
  const own = listOf('planes', planes, 1, WIDTH_MAX);
  checkNumber('kind', kind, 0, KIND_WIDTHS.length - 1);
  checkKind('planes', own, kind as number);
  const count = checkPlanes('planes', own, 0, UINT32_MAX);
  checkBytes('state', state);
  checkBytes('bins', bins);
  checkLength('state', state, WEIGH_BYTES);
  checkLength('bins', bins, BINS_BYTES);
  return { planes: own, count };
}
