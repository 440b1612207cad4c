/**
 * Names that one system creates and another cannot: what `add` warns about and `checkout` refuses.
 *
 * version-path.ts keeps out what no version may hold; here are names that are fine on Linux.
 */

/** A system that names are judged for, as process.platform calls it. */
export type Platform = 'win32' | 'darwin' | 'linux' | (string & {});

/** Longest part of a path in UTF-16 units (NTFS). */
const WINDOWS_PART_UNITS_MAX = 255;
/** Names of devices, with or without an extension; the digits may be superscripts. */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)/i;

/** Why a system cannot create a file of this path, or null if it can. */
export function platformProblem(path: string, platform: Platform): string | null {
  if (platform !== 'win32') return null;
  for (const part of path.split('/')) {
    const bad = /[<>:"|?*]/.exec(part);
    if (bad) return `Windows allows no '${bad[0]}' in a name`;
    if (/[. ]$/.test(part)) return `Windows drops the end of '${part}'`;
    if (WINDOWS_DEVICE.test(part)) return `'${part}' names a device on Windows`;
    if (part.length > WINDOWS_PART_UNITS_MAX) return 'a part of it is too long for Windows';
  }
  return null;
}

/** How a path reads where neither case nor the form of accents counts (Windows, macOS). */
export function foldPath(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

/**
 * Two paths that would be one file where case and the form of accents do not count, or null.
 * Folders count too: 'a/x' and 'A/y' share one.
 */
export function findTwins(paths: Iterable<string>): [string, string] | null {
  const seen = new Map<string, string>();
  for (const path of paths) {
    for (let end = path.indexOf('/'); ; end = path.indexOf('/', end + 1)) {
      const prefix = end === -1 ? path : path.slice(0, end);
      const folded = foldPath(prefix);
      const other = seen.get(folded);
      if (other !== undefined && other !== prefix) return [other, prefix];
      seen.set(folded, prefix);
      if (end === -1) break;
    }
  }
  return null;
}

/**
 * What to tell somebody who adds files that Windows or macOS cannot check out, one sentence each.
 * @param added  paths that are new.
 * @param all    paths of the line with them.
 */
export function portabilityWarnings(added: readonly string[], all: Iterable<string>): string[] {
  const warnings: string[] = [];
  const problems = added.flatMap((path) => {
    const problem = platformProblem(path, 'win32');
    return problem === null ? [] : [{ path, problem }];
  });
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
    warnings.push(`'${first.path}'${more} cannot be checked out on Windows: ${first.problem}`);
  }
  const twins = added.length > 0 ? findTwins(all) : null;
  if (twins !== null && added.some((path) => isBelow(path, twins))) {
    warnings.push(
      `'${twins[0]}' and '${twins[1]}' are one file on Windows and macOS: they cannot be checked out there`,
    );
  }
  return warnings;
}

function isBelow(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}
