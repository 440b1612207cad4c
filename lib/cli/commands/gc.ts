/** `dlv gc` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { GcOpResult, KeptRow } from '../../use/ops/gc.js';
import { jobsOption, type LineFlags, limitRateOption, lineSettings } from '../arguments.js';
import { printTraffic } from '../output/transfer.js';
import { formatBytes, formatCount, formatDuration } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

const EXAMPLE: GcOpResult = {
  setsBefore: 70,
  setsAfter: 1,
  droppedBlobs: 2,
  droppedExtentSegments: 26,
  droppedBytes: 4714496,
  packBytesBefore: 91222016,
  packBytesAfter: 86507520,
  leftoverSets: 0,
  deletedBytes: 0,
  trashBytes: 91222016,
  unfinishedBytes: 0,
  kept: [
    {
      why: 'reflog',
      bytes: 6291456,
      versions: 3,
      until: '2026-02-14T10:00:00.000Z',
      command: 'dlv gc --prune=now',
    },
  ],
  dryRun: false,
  seconds: 0.8,
};

const REASONS: Readonly<Record<KeptRow['why'], string>> = {
  reflog: 'that only reflogs name',
  'given-up': "of files that 'dlv keep' gave up",
  base: 'that other versions are stored as differences from',
  young: 'that nothing names, written within gc.graceDays',
  share: 'of garbage, too small a part of its packs to write them again',
  trash: 'of replaced packs in trash',
  unfinished:
    'of unfinished files, whose process runs on another host or in another container, or ended there; ' +
    'they go once nothing was written for a day',
};

/** `kept: 6.00 MiB (3 versions) that only reflogs name, until 2026-02-14; now: dlv gc --prune=now`. */
function keptLine({ why, bytes, versions, until, command }: KeptRow): string {
  const of = versions === null ? '' : ` (${formatCount(versions, 'version')})`;
  const end = until === null ? '' : `, until ${until.slice(0, 10)}`;
  const free = command === null ? '' : `; to free it now: ${command}`;
  return `kept: ${formatBytes(bytes)}${of} ${REASONS[why]}${end}${free}`;
}

interface Flags extends LineFlags {
  prune?: string;
  dryRun?: boolean;
  remote?: string;
}

async function collectRemote(run: Run, remote: string, flags: Flags): Promise<number> {
  const { gcRemote } = await import('../../use/ops/gc-remote.js');
  const options = {
    remote,
    pruneNow: flags.prune === 'now',
    dryRun: flags.dryRun === true,
    ...lineSettings(flags),
  };
  const result = await run.repository((repo) => gcRemote(repo, options, run.context));
  run.report(result, (ui) => {
    const { setsBefore, setsAfter, bytesBefore, bytesAfter, waitingBytes, until, dryRun } = result;
    const would = dryRun ? 'would be ' : '';
    ui.line(
      setsBefore === setsAfter && bytesBefore === bytesAfter
        ? `nothing to take out of ${result.url}`
        : `packs: ${formatBytes(bytesBefore)} in ${formatCount(setsBefore, 'set')}, ` +
            `${would}now ${formatBytes(bytesAfter)} in ${formatCount(setsAfter, 'set')}`,
    );
    const removed = result.removedBytes + result.unfinishedBytes;
    if (removed > 0) ui.line(`${formatBytes(removed)} ${would}removed from ${result.url}`);
    if (waitingBytes > 0) {
      const when = until === null ? '' : `, the first of it from ${until.slice(0, 16)}Z on`;
      ui.line(
        `kept: ${formatBytes(waitingBytes)} that somebody may still be reading; another ` +
          `'dlv gc --remote ${remote}' removes it${when}`,
      );
    }
    if (ui.verbose) printTraffic(ui, { ...result, resumedBytes: 0 });
  });
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'gc', {
      summary: 'delete unneeded data and merge small packs',
      about:
        'Keeps everything that branches, tags, notes, staged files and recent reflog lines need. ' +
        'Replaced packs go to .dlv/trash and are deleted after gc.graceDays (14) days. The ' +
        'output lists what else is kept and why, when it expires, and the command that frees it ' +
        "now. 'dlv commit' merges small packs automatically. --remote <name> collects a remote instead. It takes what no branch and tag there needs " +
        "off the remote's list, writes packs again of which a quarter is garbage, and joins " +
        'many small ones. Only a later run removes files, gc.graceDays after they left the list ' +
        '(with --prune=now a quarter of an hour), so that a command that is reading them still ' +
        'finds them. Others may push and fetch meanwhile, and you can interrupt it at any time. ' +
        'Its document has remote, url, setsBefore, setsAfter, bytesBefore, bytesAfter, ' +
        'removedBytes, waitingBytes, unfinishedBytes, until and the traffic.',
      examples: [
        ['dlv gc', 'deletes garbage that is older than the grace period'],
        ['dlv gc --dry-run', 'prints what would be deleted'],
        ['dlv gc --prune=now', 'deletes garbage of any age; no other dlv may be running here'],
        ['dlv gc --remote origin', 'collects a remote'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'another dlv is running here',
        12: 'the repository is damaged: see dlv fsck',
      },
    })
    .option('--prune <when>', "'now': delete garbage of any age and empty the trash")
    .option('--dry-run', 'only print what would be done')
    .option('--remote <name>', 'collect a remote instead, and leave what is here alone')
    .addOption(limitRateOption())
    .addOption(jobsOption())
    .action(
      cli.action(async (run, flags: Flags) => {
        const { gc } = await import('../../use/ops/gc.js');
        if (flags.prune !== undefined && flags.prune !== 'now') {
          throw new UsageError(`--prune takes 'now', not '${flags.prune}'`, {
            hint: 'the setting gc.graceDays says how long garbage is kept',
          });
        }
        if (flags.remote !== undefined) return collectRemote(run, flags.remote, flags);
        const options = { pruneNow: flags.prune === 'now', dryRun: flags.dryRun === true };
        const result = await run.repository((repo) => gc(repo, options, run.context));
        run.report(result, (ui) => {
          const saved = result.packBytesBefore - result.packBytesAfter;
          const would = result.dryRun ? 'would be ' : '';
          ui.line(
            saved === 0
              ? 'nothing to take out'
              : `${formatBytes(saved)} that nothing needs ${would}taken out`,
          );
          if (ui.verbose) {
            const { setsBefore, setsAfter, droppedBlobs, droppedExtentSegments } = result;
            ui.line(
              `packs: ${formatBytes(result.packBytesBefore)} in ${formatCount(setsBefore, 'set')}, ` +
                `${would}now ${formatBytes(result.packBytesAfter)} in ${formatCount(setsAfter, 'set')}`,
            );
            const segments = formatCount(droppedExtentSegments, 'extent segment');
            ui.line(`dropped: ${formatCount(droppedBlobs, 'blob')}, ${segments}`);
          }
          if (result.deletedBytes > 0) {
            ui.line(
              `${formatBytes(result.deletedBytes)} of replaced and unfinished files ${would}deleted`,
            );
          }
          for (const row of result.kept) ui.line(keptLine(row));
          ui.note(formatDuration(result.seconds));
        });
        return 0;
      }),
    );
}
