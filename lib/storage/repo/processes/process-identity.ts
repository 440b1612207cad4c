/**
 * Which process wrote a file, and is it still there: pid, start time, boot and host together.
 *
 * A pid alone is used again; with the start time of the process and the id of the boot it is not.
 * Where the system does not tell (no /proc, another host), the answer is 'unknown', never 'dead'.
 */
import { uptime } from 'node:os';
import { ownIdentity, type ProcessIdentity, processStart } from '../../../base/bytes/process.js';

export { ownIdentity, type ProcessIdentity, processStart } from '../../../base/bytes/process.js';

/** Is the process still there? 'unknown' if this host cannot tell. */
export function processState(of: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const me = ownIdentity();
  if (of.host !== me.host) return 'unknown';
  if (of.boot !== me.boot) return of.boot === '-' || me.boot === '-' ? 'unknown' : 'dead';
  if (of.space !== me.space) return 'unknown';
  if (of.start !== '0' && me.start !== '0') {
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
