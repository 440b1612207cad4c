/** `dlv list` on the command line. */
import { type Command, Option } from 'commander';
import type { ListedModel, ListOptions, ListOrder } from '../../use/ops/list.js';
import { parseCount } from '../arguments.js';
import { bytesOf, EXAMPLE_VERSION, exampleId, subject, versionTitle } from '../output/render.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  message?: string;
  last?: string;
  sort?: ListOrder;
}

const EXAMPLE: ListedModel[] = [
  {
    model: 'mnist',
    current: true,
    branches: [{ branch: 'main', version: exampleId('9c1f0e6f0b') }],
    versions: 3,
    lineage: [{ version: exampleId('4be2a97d10'), model: 'base', number: 7, name: 'base@7' }],
    logicalBytes: 17200416,
    storedBytes: 9341822,
    uniqueBytes: 4610430,
    latest: [EXAMPLE_VERSION],
  },
];

function print(ui: Ui, models: readonly ListedModel[]): void {
  models.forEach((model, i) => {
    if (i > 0) ui.line();
    const mark = model.current ? '* ' : '  ';
    const lineage = model.lineage.map((parent) => parent.name);
    const from = lineage.length > 0 ? `, from ${lineage.join(', ')}` : '';
    const branches = model.branches.map(({ branch }) => branch).join(', ');
    ui.line(
      `${mark}${ui.style.bold(model.model)}  ${formatCount(model.versions, 'version')} on ${branches || 'no branch'}${from}`,
    );
    const needs = bytesOf(model.storedBytes, model.logicalBytes);
    ui.line(
      model.logicalBytes === 0
        ? '    no files'
        : `    ${formatBytes(model.logicalBytes)} of files, which need ${needs} in the repository`,
    );
    for (const version of model.latest) {
      ui.line(`    ${versionTitle(ui, version)} ${subject(version.message)}`);
    }
  });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'list', {
      summary: 'list the models of the repository',
      about:
        'Shows for each model its branches, its versions and the bytes that it takes: in packs all ' +
        'that it needs, also what it shares with other models (uniqueBytes: what it does not share).',
      examples: [
        ['dlv list', 'all models and the last version of each'],
        ['dlv list --model bert --last 10', 'the last ten versions of one model'],
        ['dlv list --sort stored', 'those that take most bytes first'],
        ["dlv list -m 'lr 0.1' --last 100", 'versions whose message holds a text'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such model' },
    })
    .option('--model <name>', 'only this model')
    .option('-m, --message <text>', 'only versions whose message holds <text>')
    .option('--last <n>', 'show the last <n> versions of each model (default: 1)')
    .addOption(
      new Option('--sort <key>', 'order of the models, the largest or newest first (name)').choices(
        ['name', 'stored', 'logical', 'versions', 'time'],
      ),
    )
    .action(
      cli.action(async (run, flags: Flags) => {
        const { list } = await import('../../use/ops/list.js');
        const { last, ...rest } = flags;
        const options: ListOptions = {
          ...rest,
          ...(last === undefined ? {} : { last: parseCount(last, '--last') }),
        };
        const models = await run.repository((repo) => list(repo, options, run.context));
        run.answer(models, (ui) => print(ui, models));
        return 0;
      }),
    );
}
