/**
 * A process with all that it started: their processor time, their memory, and the files that they have open for
 * writing, as /proc tells them. Linux alone; elsewhere nothing is known.
 *
 * Reading /proc of all processes costs milliseconds, so members are looked for now and then, and asked often.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

const TICKS_PER_SECOND = 100;
/** Open files of one process that are looked at. */
const OPEN_FILES_MAX = 4096;
/** A tenth of what others get, where all processors are busy: with less, what is held would pile up. */
const LOW_PRIORITY = 10;

/** What a tree used so far, and uses now. */
export interface TreeUsage {
  cpuSeconds: number;
  /** Resident memory of all members now; pages that they share count for each. */
  rssBytes: number;
  members: number;
}

interface Stat {
  ppid: number;
  session: number;
  start: string;
  cpuTicks: number;
  rssPages: number;
}

function readStat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  const f = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (f.length < 22 || f[0] === 'Z' || f[0] === 'X') return null;
  return {
    ppid: Number(f[1]),
    session: Number(f[3]),
    start: f[19] as string,
    cpuTicks: Number(f[11]) + Number(f[12]),
    rssPages: Number(f[21]),
  };
}

/** Bytes of a page of memory: the power of two that our own memory tells. */
function pageBytes(): number {
  const pages = readStat(process.pid)?.rssPages ?? 0;
  return pages > 0 ? 2 ** Math.round(Math.log2(process.memoryUsage.rss() / pages)) : 4096;
}

function listPids(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return [];
  }
}

/** A process and its descendants, those that it left behind among them while they keep its session. */
export class ProcessTree {
  readonly #root: number;
  readonly #pageBytes = pageBytes();
  /** Members by pid: who they are, and the processor time that was seen last. */
  readonly #members = new Map<number, { start: string; ticks: number }>();
  /** Of members that ended. */
  #endedTicks = 0;

  constructor(root: number) {
    this.#root = root;
    const stat = readStat(root);
    if (stat !== null) this.#members.set(root, { start: stat.start, ticks: stat.cpuTicks });
  }

  /** Looks for new members. Milliseconds. */
  look(): void {
    const stats = new Map<number, Stat>();
    for (const pid of listPids()) {
      const stat = readStat(pid);
      if (stat !== null) stats.set(pid, stat);
    }
    for (let isNew = true; isNew; ) {
      isNew = false;
      for (const [pid, stat] of stats) {
        if (this.#members.has(pid)) continue;
        if (stat.session !== this.#root && !this.#members.has(stat.ppid)) continue;
        this.#members.set(pid, { start: stat.start, ticks: stat.cpuTicks });
        isNew = true;
      }
    }
  }

  usage(): TreeUsage {
    let ticks = 0;
    let pages = 0;
    for (const [pid, member] of this.#members) {
      const stat = readStat(pid);
      if (stat === null || stat.start !== member.start) {
        this.#endedTicks += member.ticks;
        this.#members.delete(pid);
        continue;
      }
      member.ticks = stat.cpuTicks;
      ticks += stat.cpuTicks;
      pages += stat.rssPages;
    }
    return {
      cpuSeconds: (this.#endedTicks + ticks) / TICKS_PER_SECOND,
      rssBytes: pages * this.#pageBytes,
      members: this.#members.size,
    };
  }

  /** Files that a member has open for writing, as `device:inode`. */
  openForWriting(): Set<string> {
    const found = new Set<string>();
    for (const pid of this.#members.keys()) {
      let names: string[];
      try {
        names = readdirSync(`/proc/${pid}/fd`);
      } catch {
        continue;
      }
      for (const name of names.slice(0, OPEN_FILES_MAX)) {
        try {
          const flags = /^flags:\s*0*(\d+)/m.exec(
            readFileSync(`/proc/${pid}/fdinfo/${name}`, 'latin1'),
          )?.[1];
          // The last octal digit is 1 or 2 for writing.
          if (flags === undefined || Number(flags.at(-1)) % 4 === 0) continue;
          const stat = statSync(`/proc/${pid}/fd/${name}`, { bigint: true });
          if (stat.isFile()) found.add(`${stat.dev}:${stat.ino}`);
        } catch {
          // Closed meanwhile.
        }
      }
    }
    return found;
  }

  /** Words of the command lines of members, of each its first few. */
  commands(): string[][] {
    return [...this.#members.keys()].map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').slice(0, 4096).split('\0');
      } catch {
        return [];
      }
    });
  }

  /** Members that are there now. */
  pids(): number[] {
    return [...this.#members.keys()];
  }
}

/** Processor time, in seconds, of children of this process that ended and were waited for; null if unknown. */
export function endedChildrenSeconds(): number | null {
  try {
    const text = readFileSync('/proc/self/stat', 'latin1');
    const f = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(f[13]) + Number(f[14]);
    return Number.isFinite(ticks) ? ticks / TICKS_PER_SECOND : null;
  } catch {
    return null;
  }
}

/**
 * From now on others get the processor before this process. Threads have priorities of their own
 * on Linux, and so have sessions where the kernel shares the processor among these first.
 */
export function yieldProcessor(): void {
  let threads: number[] = [process.pid];
  try {
    threads = readdirSync('/proc/self/task').map(Number);
  } catch {
    // Not Linux: the process has one priority.
  }
  for (const thread of threads) {
    try {
      setPriority(thread, LOW_PRIORITY);
    } catch {
      // It ended, or the system has no priorities: then all goes on as before.
    }
  }
  try {
    writeFileSync('/proc/self/autogroup', String(LOW_PRIORITY));
  } catch {
    // There are no such groups here.
  }
}
