/**
 * Where the files of several series of checkpoints are in one version. A series keeps its plain names while no other
 * has them; from then on its files are in a folder that is called after what tells the series apart.
 *
 * Names alone decide; no file is looked at. Start at `foldersOfSeries`.
 */
import { commonName, STEP_OF_SERIES } from './checkpoint-names.js';
import { foldPath } from './portable-names.js';
import { pathProblem } from './version-path.js';

/** A series as far as it is known. */
export interface SeriesFiles {
  /** What its checkpoints have in common: 'out/teacher/checkpoint-*'. */
  series: string;
  /** Paths of its files below their checkpoint; empty: the checkpoint is the file. */
  insides: readonly string[];
  /** The folder that its files already have in versions; empty: none. */
  folder: string;
}

/** The path that a file of a series has where no other series has it. */
export function plainPath(series: string, inside: string): string {
  if (inside !== '') return inside;
  return series.includes('*') ? commonName(series) : series.slice(series.lastIndexOf('/') + 1);
}

/** The path of a file of a series below the folder of the series. */
export function pathInFolder(folder: string, plain: string): string {
  return folder === '' ? plain : `${folder}/${plain}`;
}

/** The folder of each series; empty: its files have their plain names. A series that has a folder keeps it. */
export function foldersOfSeries(all: readonly SeriesFiles[]): Map<string, string> {
  const folders = new Map(all.map(({ series, folder }) => [series, folder]));
  const isDecided = new Set(all.flatMap(({ series, folder }) => (folder === '' ? [] : [series])));
  const isNumbered = new Set<string>();
  // A series with a folder has its plain names too: who comes later does not take them.
  for (let at: ReadonlyMap<string, string> = new Map(); ; at = folders) {
    const found = clashing(all, at);
    const fresh = found.filter((one) => !isDecided.has(one.series));
    for (const one of fresh) {
      isDecided.add(one.series);
      folders.set(one.series, freeFolder(one, all, new Set(folders.values())));
    }
    if (fresh.length > 0 || at !== folders) continue;
    // A folder of one series has the name of another's file, which is rare: a number tells them apart.
    const last = found.find(({ series }) => !isNumbered.has(series));
    if (last === undefined) return folders;
    isNumbered.add(last.series);
    folders.set(last.series, numberedFolder(last, all, folders.values()));
  }
}

/** Series of which a file has the path of another's file, or of a folder that another needs. */
function clashing(
  all: readonly SeriesFiles[],
  folders: ReadonlyMap<string, string>,
): SeriesFiles[] {
  const owners = new Map<string, Set<SeriesFiles>>();
  const paths: { path: string; one: SeriesFiles }[] = [];
  for (const one of all) {
    for (const inside of one.insides) {
      const folder = folders.get(one.series) ?? '';
      const path = foldPath(pathInFolder(folder, plainPath(one.series, inside)));
      paths.push({ path, one });
      owners.set(path, (owners.get(path) ?? new Set()).add(one));
    }
  }
  const found = new Set<SeriesFiles>();
  for (const { path, one } of paths) {
    for (let end = path.length; end > 0; end = path.lastIndexOf('/', end - 1)) {
      for (const other of owners.get(path.slice(0, end)) ?? []) {
        if (other !== one) found.add(one).add(other);
      }
    }
  }
  return all.filter((one) => found.has(one));
}

/** The shortest name that tells a series from all others. */
function freeFolder(
  one: SeriesFiles,
  all: readonly SeriesFiles[],
  taken: ReadonlySet<string>,
): string {
  const own = namesOf(one);
  // A folder goes before files: what is beside it is called otherwise.
  const others = all
    .filter((other) => other !== one && (isFile(one) || !isFile(other)))
    .map(namesOf);
  const folded = new Set([...taken].map(foldPath));
  for (const name of own.names) {
    if (folded.has(foldPath(name)) || pathProblem(name) !== null) continue;
    // What is all of its name is its own, though it ends the longer name of another.
    const isOwn = others.every(({ names, wholes }) => {
      return !names.includes(name) || (own.wholes.includes(name) && !wholes.includes(name));
    });
    if (isOwn) return name;
  }
  // A folder without a name, as that in which the command runs: one series can do without.
  return own.names.length === 0 ? '' : numberedFolder(one, all, taken);
}

function numberedFolder(
  one: SeriesFiles,
  all: readonly SeriesFiles[],
  taken: Iterable<string>,
): string {
  const tops = new Set([...taken].map((name) => foldPath(name).split('/')[0]));
  for (let i = all.indexOf(one) + 1; ; i++) if (!tops.has(`series-${i}`)) return `series-${i}`;
}

/** Names for the folder of a series, the best first; `wholes` are those that leave out nothing. */
function namesOf(one: SeriesFiles): { names: string[]; wholes: string[] } {
  const { series } = one;
  const parts = series.split('/').filter((part) => !/^\.{0,2}$/.test(part));
  const last = parts.at(-1) ?? '';
  const above = isFile(one) || last.includes('*') ? parts.slice(0, -1) : parts;
  const told = toldName(last, isFile(one));
  const full = above === parts || told === '' ? [] : [...above, told];
  const wholes = [above.join('/'), full.join('/')].filter((name) => name !== '');
  return { names: [...endsOf(above), ...endsOf(full)], wholes };
}

/** True if each of its checkpoints is one file. */
function isFile({ insides }: SeriesFiles): boolean {
  return insides.includes('');
}

/** 'c', 'b/c', 'a/b/c'. */
function endsOf(parts: readonly string[]): string[] {
  return parts.map((_, i) => parts.slice(parts.length - 1 - i).join('/'));
}

/** What the last part of a series says besides its step: 'gen_step*.pt' → 'gen', 'checkpoint-*' → 'checkpoint'. */
function toldName(part: string, hasEnding: boolean): string {
  const plain = hasEnding ? part.replace(/\.[A-Za-z0-9]+$/, '') : part;
  const trimmed = (text: string): string =>
    text
      .replaceAll('*', '')
      .replace(/[-_=.]{2,}/g, '-')
      .replace(/^[-_=.]+|[-_=.]+$/g, '');
  return trimmed(plain.replace(STEP_OF_SERIES, '')) || trimmed(plain);
}
