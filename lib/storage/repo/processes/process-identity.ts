/**
 * Which process wrote a file, and is it still there: pid, start time, boot and host together.
 *
 * A pid alone is used again; with the start time of the process and the id of the boot it is not.
 * Where the system does not tell (no /proc, another host), the answer is 'unknown', never 'dead'.
 */
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';

/** Names one process for as long as the host stands. Texts hold no line feed. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to the start of the process, or '0' where the system does not tell. */
  start: string;
  /** Id of the boot, or '-' */
  boot: string;
  /** Pid namespace (container), or '-'. */
  space: string;
  host: string;
}

function readOr(file: string, fallback: string): string {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return fallback;
  }
}

/** Start time of a process in clock ticks since boot; null if there is none or it cannot be told. */
export function processStart(pid: number): string | null {
  const stat = readOr(`/proc/${pid}/stat`, '');
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === undefined || state === 'Z' || state === 'X') return null; // ended, not yet reaped
  return /^\d+$/.test(fields[19] ?? '') ? (fields[19] as string) : null;
}

let own: ProcessIdentity | null = null;

/** The identity of this process. */
export function ownIdentity(): ProcessIdentity {
  if (own === null) {
    let space = '-';
    try {
      space = readlinkSync('/proc/self/ns/pid');
    } catch {
      // Not Linux.
    }
    own = {
      pid: process.pid,
      start: processStart(process.pid) ?? '0',
      boot: readOr('/proc/sys/kernel/random/boot_id', '-'),
      space,
      host: hostname().replace(/\s/g, '-') || '-',
    };
  }
  return own;
}

/** Is the process still there? 'unknown' if this host cannot tell. */
export function processState(of: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const me = ownIdentity();
  if (of.host !== me.host) return 'unknown';
  if (of.boot !== me.boot) return of.boot === '-' || me.boot === '-' ? 'unknown' : 'dead';
  if (of.space !== me.space) return 'unknown';
  if (of.start !== '0' && existsSync('/proc/self/stat')) {
    return processStart(of.pid) === of.start ? 'alive' : 'dead';
  }
  try {
    process.kill(of.pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'dead' : 'alive';
  }
}

/** Time stamps of a file and the start of the system are told by clocks that may differ by this. */
const BOOT_MARGIN_MS = 2000;

/**
 * True if a file was last written before this system started: who wrote it here is dead, whatever
 * its content. A power cut can leave such a file empty.
 */
export function isFromBeforeBoot(mtimeNs: string): boolean {
  return Number(BigInt(mtimeNs) / 1_000_000n) < Date.now() - uptime() * 1000 - BOOT_MARGIN_MS;
}

/** One line that tells a process: 'pid start boot space host'. */
export function formatIdentity(of: ProcessIdentity): string {
  return `${of.pid} ${of.start} ${of.boot} ${of.space} ${of.host}`;
}

/** The mirror of formatIdentity; null if the line is none. */
export function parseIdentity(line: string): ProcessIdentity | null {
  const match = /^(\d{1,15}) (\d{1,20}) (\S+) (\S+) (\S+)$/.exec(line);
  if (!match) return null;
  const [, pid, start, boot, space, host] = match as unknown as string[] & { length: 6 };
  return {
    pid: Number(pid),
    start: start as string,
    boot: boot as string,
    space: space as string,
    host: host as string,
  };
}
