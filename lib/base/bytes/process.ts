/**
 * Who this process is: pid, start time, boot, pid namespace and host together.
 *
 * A pid alone is used again, and in a container every command is pid 1. With its start time, the id of
 * the boot and the pid namespace it names one process; temporary files carry it in their names.
 * Whether such a process still lives is judged in lib/storage/repo/processes.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

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

/** Start time of a process in clock ticks since boot; null if there is none or it cannot be told. */
export function processStart(pid: number): string | null {
  const stat = readSystemText(`/proc/${pid}/stat`) ?? '';
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
      boot: readSystemText('/proc/sys/kernel/random/boot_id') ?? '-',
      space,
      host: hostname().replace(/\s/g, '-') || '-',
    };
  }
  return own;
}
