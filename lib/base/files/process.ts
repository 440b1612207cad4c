/**
 * Who this process is: pid, start time, boot, pid namespace and host together.
 *
 * A pid alone is used again, and in a container every command is pid 1. With its start time, the id of
 * the boot and the pid namespace it names one process; temporary files carry it in their names.
 * Whether such a process still lives is judged in lib/storage/repo/processes.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { sha256Hex } from '../bytes/hash.js';

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

/** Text of a file of the system (/proc), or null where there is none. */
export function readSystemText(file: string): string | null {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return null;
  }
}

/** What the system tells of a pid: its start time in clock ticks since boot, or why there is none. */
export type ProcessSight =
  | { kind: 'running'; start: string }
  /** Nothing runs under that pid; an ended process that nobody waited for counts as nothing. */
  | { kind: 'gone' }
  /** Something runs there, or may, and cannot be seen. */
  | { kind: 'hidden' };

/** The fields of a stat file that tell a process: pid, state and start time; null for no such text. */
function parseStat(text: string | null): { pid: number; state: string; start: string } | null {
  if (text === null) return null;
  // The second field is the command in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = /^\d+$/.exec(fields[19] ?? '')?.[0];
  if (start === undefined) return null;
  return { pid: Number.parseInt(text, 10), state: fields[0] as string, start };
}

/** Looks for a process of this pid namespace. */
export function lookForProcess(pid: number): ProcessSight {
  // In a new pid namespace /proc may still be that of the one around, whose pids are others.
  const isOurs = parseStat(readSystemText('/proc/self/stat'))?.pid === process.pid;
  const stat = isOurs ? parseStat(readSystemText(`/proc/${pid}/stat`)) : null;
  if (stat !== null) {
    const isEnded = stat.state === 'Z' || stat.state === 'X';
    return isEnded ? { kind: 'gone' } : { kind: 'running', start: stat.start };
  }
  try {
    // /proc can also hide the processes of other users; a signal that is never sent finds them.
    process.kill(pid, 0);
    return { kind: 'hidden' };
  } catch (error) {
    return { kind: (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'hidden' };
  }
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
      start: parseStat(readSystemText('/proc/self/stat'))?.start ?? '0',
      boot: readSystemText('/proc/sys/kernel/random/boot_id') ?? '-',
      space,
      host: hostname().replace(/\s/g, '-') || '-',
    };
  }
  return own;
}

/** The identity of another process of this pid namespace; its start is '0' where that cannot be seen. */
export function identityOf(pid: number): ProcessIdentity {
  const sight = lookForProcess(pid);
  return { ...ownIdentity(), pid, start: sight.kind === 'running' ? sight.start : '0' };
}

/** What the name of a temporary file tells of the process that made it. */
export interface OwnerMark {
  pid: number;
  start: string;
  /** 10 hex digits: hash of the id of the boot, or of the host where the system tells none. */
  boot: string;
  /** Number of the pid namespace, '0' where there are none. */
  space: string;
}

/** The mark of a process. */
export function ownerMark(of: ProcessIdentity): OwnerMark {
  const boot = of.boot === '-' ? `host ${of.host}` : `boot ${of.boot}`;
  const space = /\d+/.exec(of.space)?.[0] ?? '0';
  return { pid: of.pid, start: of.start, boot: sha256Hex(boot).slice(0, 10), space };
}

const MARK = /^(\d{1,15})-(\d{1,20})-([0-9a-f]{10})-(\d{1,20})$/;
const RANDOM = /^[0-9a-f]{16}$/;

/**
 * `words` times 8 random hex digits, for names that have to differ and are no secret: V8 starts its generator from random
 * bytes of the system, and Node's crypto stays unloaded.
 */
export function randomName(words: number): string {
  const word = () => Math.floor(Math.random() * 2 ** 32).toString(16);
  return Array.from({ length: words }, () => word().padStart(8, '0')).join('');
}

/** Text of a mark and 16 random hex digits: a name that no other process or call makes. */
export function newOwnName(): string {
  const { pid, start, boot, space } = ownerMark(ownIdentity());
  return `${pid}-${start}-${boot}-${space}-${randomName(2)}`;
}

/** The mark in a name that newOwnName made; null for any other name. */
export function parseOwnName(name: string): OwnerMark | null {
  const cut = name.lastIndexOf('-');
  const match = RANDOM.test(name.slice(cut + 1)) ? MARK.exec(name.slice(0, cut)) : null;
  if (match === null) return null;
  const [, pid, start = '', boot = '', space = ''] = match;
  return { pid: Number(pid), start, boot, space };
}

const TICKS_PER_SECOND = 100;

/** When this system started, milliseconds since 1970, by its clock of now. Rather too early. */
export function bootTimeMs(): number {
  const byUptime = Date.now() - uptime() * 1000;
  const { start } = ownIdentity();
  if (start === '0') return byUptime;
  // Containers may show an uptime of their own, but the start of a process is counted from the boot.
  const startedMs = Date.now() - process.uptime() * 1000;
  return Math.min(byUptime, startedMs - (Number(start) * 1000) / TICKS_PER_SECOND);
}
