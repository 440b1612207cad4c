/** `dlv fsck` on the command line. */
import type { Command } from 'commander';
import type { Id } from '../../use/history/versions.js';
import type { FsckOpOptions, FsckOpResult } from '../../use/ops/fsck.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

const DAMAGED = 12;
const NEWER = 13;
/** Affected files that are shown; --json lists more. */
const SHOWN_MAX = 5;

const EXAMPLE: FsckOpResult = {
  ok: false,
  problems: [
    {
      kind: 'damaged',
      area: 'pack',
      message:
        "'packs/0f3a9c1d2e4b5a69788796a5b4c3d2e1.hi' is damaged at byte 8: the checksum of the " +
        'segment record does not match',
      file: 'packs/0f3a9c1d2e4b5a69788796a5b4c3d2e1.hi',
      places: [
        {
          offset: 8,
          object: '9c1f0e6f0b4c3b1a0d5e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c' as Id,
          segment: 0,
        },
      ],
      affects: [
        {
          version: '4b3c2d1e0f9a8b7c9c1f0e6f0b4c3b1a0d5e8f7a6b5c4d3e2f1a0b9c8d7e6f5a' as Id,
          path: 'model.safetensors',
        },
      ],
      affectedFiles: 1,
      remedy: "run 'dlv fsck --rebuild'",
    },
  ],
  information: [],
  promised: [],
  details: [],
  checked: {
    stateFiles: 9,
    sets: 3,
    packBytes: 5733472,
    versions: 4,
    blobs: 31,
    extents: 26,
    files: 0,
  },
  rebuilt: null,
  repaired: null,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'fsck', {
      summary: 'verify the repository; with --rebuild or --repair, mend it',
      about:
        'Checks every state file, every byte of every pack, and that each version can be ' +
        'rebuilt: all planes of all tensors against their ids. Each problem is listed with the ' +
        'versions and files that it affects. Other commands may run at the same time: what they ' +
        'change is checked again before it is reported. --rebuild recreates indexes, manifest, ' +
        'HEAD, refs and staging from other data, salvages the undamaged records of a damaged ' +
        'pack, and moves a branch whose version cannot be read to the last readable one in its ' +
        'reflog. It deletes nothing: what it replaces is kept in .dlv/trash. --repair first brings ' +
        'what is damaged or missing from a remote, and then does the same. What a partial clone has ' +
        'left at a remote is promised, not missing: it is counted apart.',
      examples: [
        ['dlv fsck --repair origin', 'mends damage with what the remote has'],
        ['dlv fsck', 'verifies everything except that each rebuilt file has its sha256'],
        ['dlv fsck --files', 'also rebuilds every file and compares its sha256'],
        ['dlv fsck --rebuild', 'repairs, then verifies'],
      ],
      json: EXAMPLE,
      exitCodes: {
        0: 'no problems',
        12: 'there are problems',
        13: 'the only problem is data that a newer dlv wrote',
      },
    })
    .option('--files', 'also rebuild every distinct file and compare its sha256')
    .option('--rebuild', 'rebuild derived files and salvage undamaged data')
    .option(
      '--repair [remote]',
      'bring what is damaged or missing from a remote, then do what --rebuild does',
    )
    .action(
      cli.action(async (run, flags: FsckOpOptions) => {
        const { fsck } = await import('../../use/ops/fsck.js');
        const result = await fsck(run.context, flags);
        run.answer(result, (ui) => show(ui, result));
        if (result.ok) return 0;
        return result.problems.some(({ kind }) => kind === 'missing' || kind === 'damaged')
          ? DAMAGED
          : NEWER;
      }),
    );
}

function show(ui: Ui, result: FsckOpResult): void {
  const { repaired } = result;
  if (repaired !== null && repaired.objects > 0) {
    ui.line(`mended: ${formatCount(repaired.objects, 'object')} came from '${repaired.remote}'`);
  }
  if (repaired !== null && repaired.lacking > 0) {
    ui.line(
      `not mended: '${repaired.remote}' does not have ${formatCount(repaired.lacking, 'object')} either`,
    );
  }
  for (const line of result.rebuilt?.done ?? []) ui.line(`mended: ${line}`);
  for (const line of result.rebuilt?.failed ?? []) ui.line(`not mended: ${line}`);
  if ((result.rebuilt?.done.length ?? 0) > 0) {
    ui.note("what was replaced is in trash until 'dlv gc' deletes it (at once with --prune=now)");
  }
  for (const problem of result.problems) showProblem(ui, problem);
  for (const line of result.information) ui.note(line);
  for (const line of ui.verbose ? result.details : []) ui.note(line);
  const { sets, packBytes, versions, blobs, extents, files } = result.checked;
  const rebuilt = files > 0 ? `, ${formatCount(files, 'file')} rebuilt` : '';
  const objects = ui.verbose
    ? `, ${formatCount(blobs, 'blob')}, ${formatCount(extents, 'extent')} in ${formatCount(sets, 'pack set')}`
    : '';
  ui.line(
    `${result.ok ? 'no problems' : formatCount(result.problems.length, 'problem')}: checked ` +
      `${formatCount(versions, 'version')}${objects}, ${formatBytes(packBytes)}${rebuilt}`,
  );
}

function showProblem(ui: Ui, problem: FsckOpResult['problems'][number]): void {
  const { style } = ui;
  ui.line(`${style.red(`${problem.kind}:`)} ${problem.message}`);
  for (const { version, path } of problem.affects.slice(0, SHOWN_MAX)) {
    const where = version === null ? 'staged' : version.slice(0, 10);
    ui.line(`    affects ${where}${path === null ? '' : `:${path}`}`);
  }
  const more = problem.affectedFiles - Math.min(SHOWN_MAX, problem.affects.length);
  if (more > 0) ui.line(`    and ${formatCount(more, 'more file')}`);
  ui.line(`    ${style.cyan('remedy:')} ${problem.remedy}`);
}
