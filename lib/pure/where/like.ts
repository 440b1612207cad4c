/** Patterns with % and _, in time that grows with the text times the pattern. */

/** Characters of a text that are looked at. */
const TEXT_MAX = 64 * 1024;

/** True if a text fits a `like` pattern: % any characters, _ one, backslash takes the next as it is. */
export function likeTest(pattern: string, ignoreCase: boolean): (text: string) => boolean {
  const parts: (number | '%' | '_')[] = [];
  const chars = [...fold(pattern, ignoreCase)];
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] as string;
    if (char === '\\' && i + 1 < chars.length)
      parts.push((chars[++i] as string).codePointAt(0) as number);
    else if (char === '%' || char === '_') parts.push(char);
    else parts.push(char.codePointAt(0) as number);
  }
  return (text) => {
    const codes = codesOf(text, ignoreCase);
    // Where the last % stood, and up to which character it has eaten: a later % makes an earlier one final.
    let at = 0;
    let part = 0;
    let star = -1;
    let eaten = 0;
    while (at < codes.length) {
      const wanted = parts[part];
      if (wanted === '%') {
        star = part++;
        eaten = at;
      } else if (wanted === '_' || wanted === codes[at]) {
        part++;
        at++;
      } else if (star >= 0) {
        part = star + 1;
        at = ++eaten;
      } else return false;
    }
    while (parts[part] === '%') part++;
    return part === parts.length;
  };
}

/** @param ignoreCase  lower case stands for both. */
export function fold(text: string, ignoreCase: boolean): string {
  return ignoreCase ? text.toLowerCase() : text;
}

/** The characters of a text, as far as they are looked at. */
export function codesOf(text: string, ignoreCase: boolean): number[] {
  const codes: number[] = [];
  for (const char of fold(text.slice(0, TEXT_MAX), ignoreCase))
    codes.push(char.codePointAt(0) as number);
  return codes;
}
