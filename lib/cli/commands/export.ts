/** `dlv export` on the command line. */
import type { Command } from 'commander';
import type { ExportResult } from '../../use/ops/export.js';
import { collect } from '../flags.js';
import { exampleId, shortId } from '../output/render.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  out: string;
  all?: boolean;
  since?: string[];
  tags?: boolean;
  force?: boolean;
  dryRun?: boolean;
}

const EXAMPLE: ExportResult = {
  path: '/mnt/usb/mnist.dlv',
  refs: [
    { kind: 'branch', name: 'mnist/main', version: exampleId('9c1f0e6f0b') },
    { kind: 'tag', name: 'paper', version: exampleId('4be2a97d10') },
  ],
  needs: [exampleId('7d1b64f0aa')],
  versions: 3,
  notes: 1,
  bytes: 1_482_133,
  recoded: 0,
  givenUp: 0,
  fileBytes: 1_489_012,
  dryRun: false,
};

function print(ui: Ui, result: ExportResult): void {
  const { path, refs, needs, versions, bytes, givenUp, fileBytes, dryRun } = result;
  for (const { kind, name, version } of refs) ui.line(`${kind} ${name} ${shortId(version)}`);
  for (const id of needs) ui.line(`needs ${shortId(id)}`);
  const what = formatCount(versions, 'version');
  if (dryRun) ui.note(`would write ${what}, ${formatBytes(bytes)}, to '${path}'`);
  else ui.note(`wrote ${what} to '${path}': ${formatBytes(fileBytes ?? 0)}`);
  if (givenUp > 0) {
    const are = dryRun ? 'would not be' : 'are not';
    ui.note(`files of ${formatCount(givenUp, 'version')} were given up: they ${are} in it`);
  }
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'export', {
      summary: 'write versions as one file, which any dlv can clone, fetch and import',
      about:
        'Writes versions into one file (a bundle) with all that they need: what they derive from, their notes, ' +
        'branches and tags. The file can be copied to where no remote reaches. It serves as a remote that is only read: ' +
        "'dlv clone', 'dlv fetch' and 'dlv pull' take it as address, and 'dlv import' takes its branches over. A model " +
        'means all of its branches; a version that is not the newest of a branch means the branch up to there. With ' +
        '--since, or for a range, versions that the reader has already are left out; importing such a file where they ' +
        'are missing is refused. Everything is compared with its checksums before it is written; the file appears ' +
        'whole or not at all, and the same content gives the same bytes. A bundle of that name is replaced. Files that ' +
        'were given up (dlv keep --versions) are not in it, all others are, with all planes: a clone of it takes as few as it ' +
        'wants (dlv clone --planes 2 backup.dlv). To write ' +
        "the files of a version, use 'dlv checkout <rev> --out <dir>'.",
      examples: [
        ['dlv export --all -o backup.dlv', 'all models, branches and tags'],
        ['dlv export bert -o bert.dlv', 'one model, with all of its branches'],
        ['dlv export bert@3 -o bert-3.dlv', 'the versions up to one'],
        ['dlv export --all --since paper -o since-paper.dlv', 'what was made after a tag'],
        ['dlv export bert@3..bert/main -o newer.dlv', 'the same for one branch'],
        ['dlv clone backup.dlv restored', 'makes a repository of it'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'nothing to export, or another file has that name',
        12: 'something that is to be exported is damaged here',
      },
    })
    .argument('[revisions...]', 'models, branches, tags or versions, or <old>..<new>')
    .requiredOption('-o, --out <file>', 'the file to write')
    .option('-a, --all', 'all branches of all models, and all tags')
    .option(
      '--since <rev>',
      'leave out this version and what it derives from (repeatable)',
      collect,
    )
    .option('--no-tags', 'leave out tags')
    .option('-f, --force', 'replace a file that is no bundle')
    .option('-n, --dry-run', 'only say what would be written')
    .action(
      cli.action(async (run, revisions: string[], flags: Flags) => {
        const { exportVersions } = await import('../../use/ops/export.js');
        const options = { ...flags, revisions };
        const result = await run.repository((repo) => exportVersions(repo, options, run.context));
        run.report(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
