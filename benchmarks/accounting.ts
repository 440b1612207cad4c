/**
 * Loaded before a measured command (`node --import`): when the process ends it writes what the
 * operating system says of it to the file that DLV_BENCH_REPORT names.
 */
import fs from 'node:fs';

/** What a measured process reports of itself. */
export interface Accounting {
  /** Largest resident set, bytes. */
  peakBytes: number;
  /** Processor time of all its threads, seconds. */
  cpuSeconds: number;
  /** Bytes that read calls returned; 0 where the system does not tell. */
  readBytes: number;
}

const report = process.env.DLV_BENCH_REPORT;
if (report !== undefined) {
  process.once('exit', () => {
    const usage = process.resourceUsage();
    let readBytes = 0;
    try {
      readBytes = Number(/^rchar: (\d+)$/m.exec(fs.readFileSync('/proc/self/io', 'utf8'))?.[1]);
    } catch {}
    const accounting: Accounting = {
      peakBytes: usage.maxRSS * 1024,
      cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
      readBytes,
    };
    fs.writeFileSync(report, JSON.stringify(accounting));
  });
}
