/** Any text, for property tests. */
import fc from 'fast-check';

const FIRST_SURROGATE = 0xd800;
const SURROGATES = 0x800;

/**
 * Any code point but half a pair, as a unit for `fc.string`. fast-check's own units `binary` and `grapheme` list
 * them all in a map for each string that is described, which takes longer than most properties.
 */
export const anyCharacter = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES })
  .map((n) => String.fromCodePoint(n < FIRST_SURROGATE ? n : n + SURROGATES));
