/** Text of strangers made visible: whatever could steer a terminal, turn a line around or hide in it. */

/** True of text that is shown as it is. */
export const PLAIN = /^[\x20-\x7e]*$/;

let unsafeCharacters: RegExp | undefined;

/**
 * Controls, format characters (which reverse or join text, and tags), separators of lines, halves of
 * surrogate pairs, and what shows as nothing. Made when first asked for: that takes V8 a millisecond.
 */
export function unsafe(): RegExp {
  unsafeCharacters ??= /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;
  return unsafeCharacters;
}

/** Replaces what must not be shown as it is, a line break too, by `\xNN` or `\u{NNNN}`. */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(unsafe(), (char) => {
    const code = char.codePointAt(0) as number;
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
