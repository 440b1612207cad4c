/** Values of flags and operands that several commands take. */
import { UsageError } from '../base/errors.js';

/** A training step. @throws {UsageError} unless it is a whole number of 0 or more. */
export function parseStep(text: string): number {
  return parseCount(text, '--step');
}

/** A whole number of 0 or more. @throws {UsageError} that names the flag. */
export function parseCount(text: string, flag: string): number {
  const value = Number(text);
  if (!/^\d{1,15}$/.test(text) || !Number.isSafeInteger(value)) {
    throw new UsageError(`${flag} is '${text}', not a whole number`, { option: flag });
  }
  return value;
}
