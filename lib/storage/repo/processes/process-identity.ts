/**
 * Is the process that wrote a file still there? Its whole identity decides: boot, pid namespace, pid
 * and start time, since a pid alone is used again, and in a container every command is pid 1.
 *
 * - Same boot and pid namespace: the system is asked, and the answer is sure.
 * - An earlier boot, on a disk that only one kernel mounts: dead.
 * - Anything else (another host, another container, a clone of this machine on a shared disk): unknown.
 *   Such a process is never counted as dead from here; time or a person decides.
 *
 * @see docs/format/refs.md
 */
import path from 'node:path';
import { isLocalDisk } from '../../../base/files/places/disks.js';
import {
  bootTimeMs,
  lookForProcess,
  type OwnerMark,
  ownerMark,
  ownIdentity,
  type ProcessIdentity,
} from '../../../base/files/process.js';

export { ownIdentity, type ProcessIdentity } from '../../../base/files/process.js';

/** 'unknown': this process cannot tell. */
export type Liveness = 'alive' | 'dead' | 'unknown';

/** What a process of another host, container or boot left untouched for this long was left for good. */
export const ABANDONED_MS = 24 * 60 * 60 * 1000;

/** A file and when it was last written to. */
export interface Trace {
  file: string;
  mtimeNs: string;
}

/** Is the process that wrote a file still there? */
export async function processState(of: ProcessIdentity, trace: Trace): Promise<Liveness> {
  return ownerState(ownerMark(of), trace);
}

/** As processState, of a process that the name of the file tells. */
export async function ownerState(of: OwnerMark, trace: Trace): Promise<Liveness> {
  const me = ownerMark(ownIdentity());
  if (of.boot === me.boot) return of.space === me.space ? stateHere(of, me) : 'unknown';
  return (await isFromBeforeBoot(trace)) ? 'dead' : 'unknown';
}

/** Of a process of this boot and pid namespace. */
function stateHere(of: OwnerMark, me: OwnerMark): Liveness {
  if (of.pid === me.pid) return of.start === me.start ? 'alive' : 'dead';
  const sight = lookForProcess(of.pid);
  if (sight.kind === 'gone') return 'dead';
  if (sight.kind === 'running' && of.start !== '0') {
    return sight.start === of.start ? 'alive' : 'dead';
  }
  // Without start times (not Linux) a pid that is in use counts as the same process.
  return of.start === '0' ? 'alive' : 'unknown';
}

/** True if two identities are one process. */
export function isSameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  const [one, two] = [ownerMark(a), ownerMark(b)];
  return (
    one.pid === two.pid &&
    one.start === two.start &&
    one.boot === two.boot &&
    one.space === two.space
  );
}

/** Time stamps of a file and the start of the system are told by clocks that may differ by this. */
const BOOT_MARGIN_MS = 2000;

/**
 * True if a file was last written before this system started, on a disk of its own: who wrote it is
 * dead, whatever the file holds. A power cut can leave it empty.
 */
export async function isFromBeforeBoot({ file, mtimeNs }: Trace): Promise<boolean> {
  const writtenMs = Number(BigInt(mtimeNs) / 1_000_000n);
  return writtenMs < bootTimeMs() - BOOT_MARGIN_MS && (await isLocalDisk(path.dirname(file)));
}

/** True if a file was not written to for a day. */
export function isAbandoned(mtimeNs: string): boolean {
  return Date.now() - Number(BigInt(mtimeNs) / 1_000_000n) > ABANDONED_MS;
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
