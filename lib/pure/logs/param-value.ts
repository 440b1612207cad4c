/**
 * Hyperparameters as typed values. A version keeps a text; the text is the value as JSON where it is
 * JSON, and a text as it stands where it is not, so that one rule reads old versions and new ones.
 */
import { NESTING_MAX } from '../../base/limits.js';

/** A hyperparameter: what JSON has, without objects. Nested settings have dotted names instead. */
export type ParamValue = null | boolean | number | string | ParamValue[];

/** Longer texts stay texts: no list of settings is as long. */
const TYPED_TEXT_MAX = 64 * 1024;

/**
 * The value that a text stands for: `1e-3` is a number, `true` a boolean, `[1, 2]` a list, `"7"` the
 * text 7, and what is no JSON is a text as it stands. Integers that a number would round (beyond
 * 2^53), numbers that are not finite and objects stay texts.
 */
export function parseParam(text: string): ParamValue {
  if (text.length > TYPED_TEXT_MAX || !/^\s*(?:[-\d["]|true|false|null)/.test(text)) return text;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text;
  }
  if (typeof value === 'number' && /^\s*-?\d+\s*$/.test(text) && !Number.isSafeInteger(value)) {
    return text;
  }
  return isParamValue(value) ? value : text;
}

/** The text that `parseParam` reads back as the value. Numbers that JSON does not have become texts. */
export function formatParam(value: ParamValue): string {
  if (typeof value === 'string') {
    const read = parseParam(value);
    return read === value ? value : JSON.stringify(value);
  }
  if (typeof value === 'number') {
    // 268470519814059030000 without an exponent would be read as an integer that a number rounds.
    const isRounded = Number.isInteger(value) && !Number.isSafeInteger(value);
    return isRounded ? value.toExponential() : `${value}`;
  }
  return JSON.stringify(value);
}

/** True for what a hyperparameter can be: lists may be nested, but not without end. */
export function isParamValue(value: unknown, depth = 0): value is ParamValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (!Array.isArray(value) || depth >= NESTING_MAX) return false;
  return value.every((item) => isParamValue(item, depth + 1));
}
