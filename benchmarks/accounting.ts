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

/**
 * Largest resident set, in bytes. What `resourceUsage` gives is not below that of the process that started this one,
 * so Linux is asked for that of this program alone.
 */
function peakBytes(): number {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kib !== undefined) return 1024 * Number(kib);
  } catch {}
  return 1024 * process.resourceUsage().maxRSS;
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
      peakBytes: peakBytes(),
      cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
      readBytes,
    };
    fs.writeFileSync(report, JSON.stringify(accounting));
  });
}
