/** What a command and all that it started use: from /proc on Linux, else from `ps`. */
import { execFile } from 'node:child_process';
import { endedChildrenSeconds, ProcessTree } from '../../../base/files/processes/process-tree.js';

/** How often new members are looked for. */
const LOOK_MS = 5000;
/** The same while it matters who writes. */
const WRITERS_LOOK_MS = 1000;

export class Usage {
  readonly #root: number;
  readonly #tree: ProcessTree | null;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  cpuSeconds = 0;
  peakBytes = 0;
  rssBytes = 0;

  constructor(root: number) {
    this.#root = root;
    this.#tree = process.platform === 'linux' ? new ProcessTree(root) : null;
  }

  /** Looks once. @param whole  also for new members. */
  look(whole = false): void {
    if (this.#tree === null) {
      void this.#ask();
      return;
    }
    if (whole || performance.now() - this.#lookedAt >= LOOK_MS) {
      this.#tree.look();
      this.#lookedAt = performance.now();
    }
    const { cpuSeconds, rssBytes } = this.#tree.usage();
    this.#take(cpuSeconds, rssBytes);
  }

  #take(cpuSeconds: number, rssBytes: number): void {
    this.cpuSeconds = Math.max(this.cpuSeconds, cpuSeconds);
    this.rssBytes = rssBytes;
    this.peakBytes = Math.max(this.peakBytes, rssBytes);
  }

  /** Inodes that are open for writing; null where that cannot be seen. */
  writers(): ReadonlySet<string> | null {
    if (this.#tree === null) return null;
    if (performance.now() - this.#lookedAt >= WRITERS_LOOK_MS) {
      this.#tree.look();
      this.#lookedAt = performance.now();
    }
    return this.#tree.openForWriting();
  }

  /** Words of all command lines. */
  commands(): string[][] {
    return this.#tree?.commands() ?? [];
  }

  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const said = await new Promise<string>((resolve) => {
      execFile('ps', ['-A', '-o', 'pid=,ppid=,rss=,time='], (_, stdout) => resolve(String(stdout)));
    });
    this.#isAsking = false;
    const rows = said.split('\n').flatMap((line) => {
      const [pid, ppid, rss, time = ''] = line.trim().split(/\s+/);
      const seconds = time.split(/[-:]/).reduce((sum, part) => sum * 60 + Number(part), 0);
      return time === ''
        ? []
        : [{ pid: Number(pid), ppid: Number(ppid), rss: Number(rss), seconds }];
    });
    const members = new Set([this.#root]);
    for (let size = -1; size !== members.size; ) {
      size = members.size;
      for (const { pid, ppid } of rows) if (members.has(ppid)) members.add(pid);
    }
    const own = rows.filter(({ pid }) => members.has(pid));
    this.#take(
      own.reduce((sum, { seconds }) => sum + seconds, 0),
      own.reduce((sum, { rss }) => sum + rss * 1024, 0),
    );
  }
}

export { endedChildrenSeconds };
