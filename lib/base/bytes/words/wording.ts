/** Counts, names and sizes as sentences say them: the same words in errors, warnings and reports. */

/** Names that one sentence lists, and characters of each. */
const NAMES_SHOWN = 4;
const NAME_CHARACTERS_MAX = 200;

/** A count with what stands behind it: `1 record is`, `2 records are`. */
export function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The first texts of a list, and how many more there are: `a, b and 3 more`. */
export function listSome(texts: readonly string[], most = NAMES_SHOWN): string {
  const shown = texts.slice(0, most);
  const more = texts.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

/** The same of names, in quotes: `'a.bin', 'b.bin' and 3 more`. */
export function quoteSome(names: readonly string[], most = NAMES_SHOWN): string {
  const quoted = (name: string): string => `'${name.slice(0, NAME_CHARACTERS_MAX)}'`;
  return listSome([...names.slice(0, most).map(quoted), ...names.slice(most)], most);
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size for people, 1024-based, three digits: `0 B`, `1.50 KiB`, `23.4 MiB`, `512 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  // 1023.5 would be shown as 1024: it belongs to the next unit.
  while (value >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** A word of a command line as a shell reads it. */
export function shellWord(word: string): string {
  return /^[\w./:=@,^~%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
