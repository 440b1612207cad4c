/** Which branch each version of an imported history belongs to. */
import type { SourceVersion } from './source.js';

/** The branch on whose first-parent line each version lies; of several, that which is named first. */
export function lineOfEach(
  versions: readonly SourceVersion[],
  branches: ReadonlyMap<string, string>,
): Map<string, string> {
  const byKey = new Map(versions.map((version) => [version.key, version]));
  const lines = new Map<string, string>();
  for (const [branch, tip] of branches) {
    let at: string | undefined = tip;
    while (at !== undefined && !lines.has(at)) {
      lines.set(at, branch);
      at = byKey.get(at)?.parents[0];
    }
  }
  return lines;
}
