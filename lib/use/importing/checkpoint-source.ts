/**
 * A folder of checkpoints of one run (`checkpoint-500`, `epoch=3-step=1000.ckpt`, `step_20.npz`): a version for each
 * step, its files at the paths that they all have in common, and what the trainer logged.
 */
import path from 'node:path';
import { NotFoundError } from '../../base/errors.js';
import { BLOB_BYTES_MAX } from '../../base/limits.js';
import {
  commonName,
  metricsOfName,
  type SeriesPlace,
  seriesOf,
} from '../../pure/paths/checkpoint-names.js';
import { seriesByNumber } from '../../pure/paths/series-by-number.js';
import { checkedFiles, type FoundFile, findFiles, newestOf, sourceFile } from './folder-files.js';
import type { SourceFile, SourceHistory, SourceVersion } from './source.js';
import { currentTimeZone } from './time-zone.js';

/** What trainers write into a checkpoint that `commit --log` reads. */
const LOGS = new Set(['trainer_state.json']);

interface Checkpoint {
  name: string;
  step: number;
  files: FoundFile[];
}

/** Opens a folder. @throws {NotFoundError} if no name in it numbers a checkpoint. */
export async function openCheckpoints(dir: string): Promise<SourceHistory> {
  const root = path.resolve(dir);
  const problems: string[] = [];
  const all = await findFiles(root, problems);
  let { series, beside } = sorted(all, seriesOf);
  if (series.size === 0) {
    // No word says a step: then numbers in which names differ do.
    const numbered = seriesByNumber(all.map((found) => found.path));
    ({ series, beside } = sorted(all, (found) => numbered.get(found) ?? null));
  }
  // The run is the series with the most checkpoints; what else is there lies beside it.
  const ranked = [...series].sort(([, a], [, b]) => b.size - a.size);
  const [main, ...others] = ranked;
  if (main === undefined) {
    throw new NotFoundError(`'${dir}' has no checkpoints: no name says a step`, {
      kind: 'path',
      name: dir,
      hint: "they are folders or files like 'checkpoint-500', 'epoch=3-step=1000.ckpt' or 'step_20.npz', or several that differ in a number: 'net-100.pt', 'net-200.pt'",
    });
  }
  for (const [other, { size }] of others) {
    problems.push(`${size} of '${other}' ${size === 1 ? 'is' : 'are'} of another series: left out`);
  }
  const [name, checkpoints] = main;
  const ordered = [...checkpoints.values()].sort(
    (a, b) => a.step - b.step || newestOf(a.files) - newestOf(b.files),
  );
  const versions: SourceVersion[] = [];
  for (const checkpoint of ordered) {
    versions.push(versionOf(root, { name, checkpoint, beside }, versions.at(-1)?.key, problems));
  }
  return {
    kind: 'checkpoints',
    model: path.basename(root),
    versions,
    branches: new Map([['main', (versions.at(-1) as SourceVersion).key]]),
    tags: new Map(),
    problems,
    close: async () => {},
  };
}

/** Files by the checkpoints to which they belong, and what belongs to none. */
function sorted(
  all: readonly FoundFile[],
  placeIn: (path: string) => SeriesPlace | null,
): { series: Map<string, Map<string, Checkpoint>>; beside: FoundFile[] } {
  const series = new Map<string, Map<string, Checkpoint>>();
  const beside: FoundFile[] = [];
  for (const found of all) {
    const place = placeIn(found.path);
    if (place === null) {
      beside.push(found);
      continue;
    }
    const checkpoints = series.get(place.series) ?? new Map<string, Checkpoint>();
    series.set(place.series, checkpoints);
    const known = checkpoints.get(place.checkpoint);
    if (known !== undefined) known.files.push(found);
    else {
      const { checkpoint: name, step } = place;
      checkpoints.set(name, { name, step, files: [found] });
    }
  }
  return { series, beside };
}

/** Path of a file in its version: a folder's files without the folder, a single file under the name of its series. */
function placeOf(
  { path: found }: FoundFile,
  { name, checkpoint }: { name: string; checkpoint: Checkpoint },
): string {
  const above = path.posix.dirname(checkpoint.name);
  const folder = above === '.' ? '' : `${above}/`;
  if (found !== checkpoint.name) return folder + found.slice(checkpoint.name.length + 1);
  return folder + commonName(name);
}

/** The outermost log of each name. */
function logsOf({ files }: Checkpoint, problems: string[]): FoundFile[] {
  const logs = new Map<string, FoundFile>();
  const depth = ({ path: found }: FoundFile): number => found.split('/').length;
  for (const found of [...files].sort((a, b) => depth(a) - depth(b))) {
    const name = path.posix.basename(found.path);
    if (!LOGS.has(name) || logs.has(name)) continue;
    if (found.stat.size <= BLOB_BYTES_MAX) logs.set(name, found);
    else problems.push(`'${found.path}' is over ${BLOB_BYTES_MAX} bytes: its metrics are not read`);
  }
  return [...logs.values()];
}

function versionOf(
  root: string,
  run: { name: string; checkpoint: Checkpoint; beside: readonly FoundFile[] },
  parent: string | undefined,
  problems: string[],
): SourceVersion {
  const { checkpoint, beside } = run;
  const metrics = [...metricsOfName(checkpoint.name)].flatMap(([name, value]) =>
    /^(epoch|step|global_step)$/i.test(name) ? [] : [{ name, value, step: null }],
  );
  const files = async (): Promise<SourceFile[]> => {
    const own = new Map(beside.map((found) => [found.path, sourceFile(found, found.path)]));
    for (const found of checkpoint.files) {
      const place = placeOf(found, run);
      own.set(place, sourceFile(found, place));
    }
    return checkedFiles([...own.values()], problems);
  };
  return {
    key: `${checkpoint.step}/${checkpoint.name}`,
    title: checkpoint.name,
    parents: parent === undefined ? [] : [parent],
    message: checkpoint.name,
    author: null,
    time: newestOf(checkpoint.files),
    tzMinutes: currentTimeZone(),
    git: null,
    step: checkpoint.step,
    params: [],
    metrics,
    logs: logsOf(checkpoint, problems).map((found) => path.join(root, found.path)),
    files,
  };
}
