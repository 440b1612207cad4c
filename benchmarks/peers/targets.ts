/** What the comparison is to show, each target beside what was measured. */
import { spreadOf } from '../harness.js';
import {
  all,
  cold,
  hot,
  put,
  ratioTo,
  ratioToCopy,
  ratioWithin,
  type SeriesResult,
  spreadOfDlv,
  type Target,
} from './report.js';
import type { FileSizes, StatusSample } from './single.js';

const MIB = 2 ** 20;

/** A pair of processor time and clock as two targets. */
function both(what: string, pair: [number, number] | null, atMost: number, how: string): Target[] {
  return [
    { what, value: pair?.[0] ?? null, atMost, unit: '×', how: `processor time, ${how}` },
    { what, value: pair?.[1] ?? null, atMost, unit: '×', how: `clock, ${how}` },
  ];
}

function ofDense(dense: SeriesResult): Target[] {
  return [
    ...both('add + commit of all ÷ git-lfs', ratioTo(dense, 'git-lfs', all), 1, 'dense'),
    ...both('the last ÷ the second', ratioWithin(dense, put(-1), put(1)), 1.15, 'dense'),
    ...both('checkout of the last ÷ git-lfs', ratioTo(dense, 'git-lfs', hot), 1, 'dense, hot'),
    ...both('checkout of the last ÷ git-lfs', ratioTo(dense, 'git-lfs', cold), 1, 'dense, cold'),
  ];
}

function ofLarge(large: SeriesResult): Target[] {
  return [
    ...both('add + commit ÷ (cp + sha256)', ratioToCopy(large, put(0)), 2, 'large, first version'),
    ...both('add + commit ÷ (cp + sha256)', ratioToCopy(large, put(1)), 2, 'large, second version'),
    ...both('checkout ÷ (cp + sha256)', ratioToCopy(large, hot), 2, 'large, second version, hot'),
  ];
}

function ofSmall(small: SeriesResult): Target[] {
  const how = 'small, median of the last version';
  const target = (unit: 'seconds' | 'cpuSeconds', name: string): Target => ({
    what: 'add + commit, two processes',
    value: spreadOfDlv(small, put(-1), unit).median,
    atMost: 0.25,
    unit: 's',
    how: `${name}, ${how}`,
  });
  return [target('cpuSeconds', 'processor time'), target('seconds', 'clock')];
}

function ofStatus(samples: readonly StatusSample[]): Target[] {
  return (['cpuSeconds', 'seconds'] as const).map((unit) => ({
    what: 'status without a change, above node itself',
    value: spreadOf(samples.map(({ node, status }) => status[unit] - node[unit])).median,
    atMost: 0.03,
    unit: 's',
    how: unit === 'seconds' ? 'clock' : 'processor time',
  }));
}

/** Targets of those parts that ran. */
export function targetsOf(
  results: readonly SeriesResult[],
  status: readonly StatusSample[],
  sizes: readonly FileSizes[],
): Target[] {
  const targets: Target[] = [];
  const find = (name: string): SeriesResult | undefined =>
    results.find(({ series }) => series.name === name);
  const [dense, large, small, trainer] = ['dense', 'large', 'small', 'trainer'].map(find);
  if (dense) targets.push(...ofDense(dense));
  if (large) targets.push(...ofLarge(large));
  if (trainer) {
    const what = 'checkout of 4 checkpoints with moments ÷ git-lfs';
    targets.push(...both(what, ratioTo(trainer, 'git-lfs', hot), 1, 'trainer, hot'));
  }
  if (small) targets.push(...ofSmall(small));
  if (status.length > 0) targets.push(...ofStatus(status));
  const peaks = results.flatMap(({ peaks: one }) => Object.values(one));
  if (peaks.length > 0) {
    const how = 'largest resident set of any command above';
    targets.push({
      what: 'peak memory',
      value: Math.max(...peaks),
      atMost: 256 * MIB,
      unit: 'bytes',
      how,
    });
  }
  if (sizes.length > 0) {
    const value = Math.max(...sizes.map(({ dlv, zipnn }) => dlv / zipnn));
    const how = 'largest over all files';
    targets.push({ what: 'an fp32 file alone ÷ ZipNN, bytes', value, atMost: 1, unit: '×', how });
  }
  return targets;
}
