/** `dlv du` on the command line. */
import type { Command } from 'commander';
import type { GroupBytes } from '../../use/history/sizes/sizes.js';
import type { DuOptions, DuResult } from '../../use/ops/du.js';
import { exampleId, shortId } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

const EXAMPLE: DuResult = {
  models: [
    {
      model: 'mnist',
      versions: 3,
      logicalBytes: 17200416,
      storedBytes: 9341822,
      uniqueBytes: 9341822,
    },
  ],
  versions: [
    {
      version: exampleId('9c1f0e6f0b'),
      model: 'mnist',
      number: 3,
      name: 'mnist@3',
      logicalBytes: 5733472,
      storedBytes: 7002311,
      uniqueBytes: 2290401,
    },
  ],
  paths: [
    {
      path: 'model.safetensors',
      versions: 3,
      logicalBytes: 17200416,
      storedBytes: 9339011,
      uniqueBytes: 9339011,
    },
  ],
  packs: { blob: 40112, hi: 9301710, mid: 0, low: 0, idx: 8120, sets: 3 },
  planes: { hi: 3100234, mid: 2900120, low: 3289004 },
  liveBytes: 9341822,
  garbageBytes: 0,
  trashBytes: 0,
  logicalBytes: 17200416,
  diskBytes: 9349942,
};

function printGroups<T extends GroupBytes & { logicalBytes: number }>(
  ui: Ui,
  title: string,
  rows: readonly T[],
  nameOf: (row: T) => string,
): void {
  const right = { align: 'right' as const };
  const columns = [
    { title },
    { ...right, title: 'files' },
    { ...right, title: 'needs' },
    { ...right, title: 'freed if deleted' },
  ];
  const cells = rows.map((row) => [
    nameOf(row),
    formatBytes(row.logicalBytes),
    formatBytes(row.storedBytes),
    formatBytes(row.uniqueBytes),
  ]);
  for (const line of formatTable(columns, cells, { header: ui.style.bold })) ui.line(line);
  ui.line();
}

function print(ui: Ui, result: DuResult): void {
  printGroups(ui, 'model', result.models, (row) => {
    return `${row.model} (${formatCount(row.versions, 'version')})`;
  });
  if (result.versions) {
    printGroups(ui, 'version', result.versions, (row) => {
      return `${shortId(row.version)} ${row.name}`;
    });
  }
  if (result.paths) printGroups(ui, 'path', result.paths, (row) => row.path);
  const notes = [
    result.garbageBytes > 0 ? `${formatBytes(result.garbageBytes)} that no version needs` : '',
    result.trashBytes > 0 ? `${formatBytes(result.trashBytes)} in trash` : '',
  ].filter((note) => note !== '');
  const of = notes.length > 0 ? `, with ${notes.join(' and ')} ('dlv gc' deletes it in time)` : '';
  ui.line(`The repository takes ${formatBytes(result.diskBytes)}${of}.`);
  ui.note('needs: all stored data that it is rebuilt from, including data that others share');
  if (ui.verbose) printPacks(ui, result);
}

function printPacks(ui: Ui, { packs, planes }: DuResult): void {
  const sum = planes.hi + planes.mid + planes.low;
  const rows = [
    ['blobs', packs.blob],
    ['first planes', planes.hi],
    ['middle planes', planes.mid],
    ['last planes', planes.low],
    ['heads of records', packs.hi + packs.mid + packs.low - sum],
    ['indexes', packs.idx],
  ] as const;
  ui.line();
  ui.line(ui.style.bold(formatCount(packs.sets, 'pack set')));
  const cells = rows.map(([what, bytes]) => [what, formatBytes(bytes)]);
  const columns = [{}, { align: 'right' as const }];
  for (const line of formatTable(columns, cells, { indent: '  ' })) ui.line(line);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'du', {
      summary: 'show what takes up space',
      about:
        'For each model: the total size of its files (logicalBytes), the stored bytes that they ' +
        'need (needs; storedBytes), and the part that nothing else needs (freed if deleted; ' +
        "uniqueBytes). 'dlv gc' frees that part after the model is deleted and the reflog has " +
        'expired. Data that several models need counts in each row, so the column can add up to ' +
        'more than the total. --verbose lists the kinds of data separately: of fp32, the first planes are the two leading ' +
        'bytes of each number, the middle planes the third, the last planes the fourth. garbageBytes are ' +
        'records that no branch, tag or staged file needs; the reflog may still need some of ' +
        "them. Versions are those that 'dlv list' counts. In JSON, versions and paths are null unless asked for.",
      examples: [
        ['dlv du', 'for each model'],
        ['dlv du --versions --model bert', 'also for each version of one model'],
        ['dlv du --paths HEAD', 'for each path of one version'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such version or model' },
    })
    .argument('[revisions...]', 'only these versions')
    .option('--model <name>', 'only this model')
    .option('--versions', 'also list each version')
    .option('--paths', 'also list each path')
    .action(
      cli.action(async (run, revisions: string[], flags: Omit<DuOptions, 'revisions'>) => {
        const { du } = await import('../../use/ops/du.js');
        const options = { revisions, ...flags };
        const result = await run.repository((repo) => du(repo, options, run.context));
        run.answer(result, (ui) => print(ui, result));
        return 0;
      }),
    );
}
