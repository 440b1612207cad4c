/**
 * Loaded before a measured command (`node --import`): when the process ends it writes the most memory that it
 * has had, in bytes, to the file that DLV_TEST_PEAK names.
 */
import fs from 'node:fs';

const report = process.env.DLV_TEST_PEAK;

/** What `maxRSS` says is also that of the parent, until the command was loaded. */
function peakBytes(): number {
  try {
    const status = fs.readFileSync('/proc/self/status', 'utf8');
    return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

if (report !== undefined) process.once('exit', () => fs.writeFileSync(report, `${peakBytes()}`));
