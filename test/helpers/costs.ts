/**
 * Measures what each test file costs while several share a process (`run.ts --costs`).
 *
 * Every process appends lines `name, seconds of its own, seconds of its children, seconds that passed` to the file
 * that DLV_TEST_COSTS names. Children count once they have ended and only on Linux.
 */
import fs from 'node:fs';

/** Where costs are written; undefined if nobody asked for them. */
const FILE = process.env.DLV_TEST_COSTS;

/** Linux counts the time of processes in hundredths of a second, whatever its own clock is. */
const TICKS_PER_SECOND = 100;

/** Seconds of processor time of the children of this process that have ended; 0 where that is not known. */
export function childSeconds(): number {
  let stat: string;
  try {
    stat = fs.readFileSync('/proc/self/stat', 'latin1');
  } catch {
    return 0;
  }
  // The second field is a name in parentheses, which may hold anything; 16 and 17 are the children's.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

function usage(): number[] {
  const { user, system } = process.cpuUsage();
  return [(user + system) / 1e6, childSeconds(), performance.now() / 1e3];
}

let before = [0, 0, 0];

/** Counts what was used since the last call in this process as the cost of `name`. */
export function noteCost(name: string): void {
  if (FILE === undefined) return;
  const now = usage();
  const spent = now.map((seconds, i) => (seconds - (before[i] as number)).toFixed(3));
  before = now;
  fs.appendFileSync(FILE, `${[name, ...spent].join('\t')}\n`);
}

/** Sums the lines in `file` by name. @returns a table, the most expensive first. */
export function costTable(file: string): string {
  const sums = new Map<string, number[]>();
  for (const line of fs.readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const [name = '', ...spent] = line.split('\t');
    const sum = sums.get(name) ?? [0, 0, 0];
    sums.set(
      name,
      sum.map((seconds, i) => seconds + Number(spent[i])),
    );
  }
  const rows = [...sums].map(([name, spent]) => ({ name, spent }));
  const busy = ({ spent }: (typeof rows)[0]): number => (spent[0] as number) + (spent[1] as number);
  const lines = rows
    .sort((a, b) => busy(b) - busy(a))
    .map(({ name, spent }) =>
      [...spent.map((s) => s.toFixed(1).padStart(8)), ` ${name}`].join(' '),
    );
  return ['     own children   passed  test file (seconds)', ...lines].join('\n');
}
