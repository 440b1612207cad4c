/** `dlv list` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ListedModel, ListOptions, ListOrder } from '../../use/ops/list.js';
import type { VersionsOptions } from '../../use/ops/versions.js';
import { parseCount, splitNames } from '../arguments.js';
import { bytesOf, EXAMPLE_VERSION, exampleId, subject, versionTitle } from '../output/render.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli } from '../run.js';

interface Flags {
  model?: string;
  message?: string;
  last?: string;
  sort?: string;
  versions?: boolean;
  where?: string;
  columns?: string;
  group?: string;
  baseline?: string;
  onlyChanged?: boolean;
  md?: boolean;
  csv?: boolean;
  curves?: boolean;
  html?: HtmlFlag;
}

const ORDERS: readonly string[] = ['name', 'stored', 'logical', 'versions', 'time'];

/** True if versions are asked for, a row each, and not models. */
function asksForVersions(flags: Flags, revisions: readonly string[]): boolean {
  const { versions, where, columns, group, baseline, onlyChanged, md, csv, curves, sort } = flags;
  return (
    revisions.length > 0 ||
    [versions, onlyChanged, md, csv, curves].includes(true) ||
    [where, columns, group, baseline].some((flag) => flag !== undefined) ||
    (sort !== undefined && !ORDERS.includes(sort))
  );
}

/** @throws {UsageError} */
function versionsOptions(flags: Flags, revisions: string[]): VersionsOptions {
  const { model, where, columns, group, sort, baseline, last, message } = flags;
  if (message !== undefined) {
    throw new UsageError('rows are chosen by --where, not by --message', {
      option: '--message',
      hint: `write --where "message ilike '%${message}%'"`,
    });
  }
  if (flags.md && flags.csv) throw new UsageError('--md and --csv exclude each other');
  return {
    revisions,
    onlyChanged: flags.onlyChanged === true,
    curves: flags.curves === true || flags.html !== undefined,
    ...(model === undefined ? {} : { model }),
    ...(where === undefined ? {} : { where }),
    ...(baseline === undefined ? {} : { baseline }),
    ...(columns === undefined ? {} : { columns: splitNames(columns, '--columns') }),
    ...(group === undefined ? {} : { group: splitNames(group, '--group') }),
    ...(sort === undefined ? {} : { sort: splitNames(sort, '--sort') }),
    ...(last === undefined ? {} : { last: parseCount(last, '--last') }),
  };
}

const EXAMPLE: ListedModel[] = [
  {
    model: 'mnist',
    current: true,
    branches: [{ branch: 'main', version: exampleId('9c1f0e6f0b') }],
    versions: 3,
    lineage: [{ version: exampleId('4be2a97d10'), model: 'base', number: 7, name: 'base@7' }],
    merged: [],
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
    const merged = new Set(model.merged);
    const named = (isMerged: boolean): string =>
      model.lineage
        .filter((parent) => merged.has(parent.version) === isMerged)
        .map((parent) => parent.name)
        .join(', ');
    const [origins, others] = [named(false), named(true)];
    const from =
      (origins === '' ? '' : `, from ${origins}`) + (others === '' ? '' : `, merged ${others}`);
    const branches = model.branches.map(({ branch }) => branch).join(', ');
    const on = model.branches.length > 1 ? `branches ${branches}` : `branch ${branches}`;
    ui.line(
      `${mark}${ui.style.bold(model.model)}  ${formatCount(model.versions, 'version')}, ${branches === '' ? 'no branch here' : on}${from}`,
    );
    const needs = bytesOf(model.storedBytes, model.logicalBytes);
    const isMore = model.storedBytes > model.logicalBytes;
    const beside = isMore
      ? ', with the files of other models that they are stored as differences from'
      : '';
    ui.line(
      model.logicalBytes === 0
        ? '    no files'
        : `    ${formatBytes(model.logicalBytes)} of files; they take ${needs} in the repository${beside}`,
    );
    for (const version of model.latest) {
      ui.line(`    ${versionTitle(ui, version)} ${subject(version.message)}`);
    }
  });
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'list', {
      summary: 'list the models of the repository, or versions as a table',
      about:
        'Shows the branches and versions of each model and its size. All lists count the same versions: what a branch, a tag, a branch of a ' +
        'remote as it was seen last, or HEAD names or derives from; a stash is none. storedBytes counts all stored ' +
        'data that the model needs, including data shared with other models; uniqueBytes counts ' +
        'only data that no other model needs.\n\n' +
        'With revisions, or with any of --versions, --where, --columns, --group, --baseline, ' +
        '--only-changed, --md, --csv or --sort by a column, shows versions instead, one in each ' +
        'row, the newest first: the revisions and all that they derive from, or else those of ' +
        'all models. Columns are metrics.NAME, params.NAME, env.NAME, data.NAME, eval.NAME (of the newest ' +
        "'dlv eval' of a version that has this metric), or " +
        'version, name, model, number, message, author, email, time, step, files, bytes, ' +
        'parents, refs, branch (on whose own line it is), operation, parameters, macs and layers (of the networks of a version, ' +
        'for a batch of 1). A NAME alone is enough if only one of these has it; put names with ' +
        'other characters in backticks. A metric is shown at its value without a step, or else ' +
        'at its last step; best(NAME), best_step, min, max, last_step and count show other ' +
        'values.\n\nConditions have =, !=, <, <=, >, >=, and, or, not, parentheses, in ' +
        "('a', 'b'), between 1 and 2, is null, like and ilike with % and _, ~ and ~* " +
        'with a regular expression (!~ for what does not match). Sizes may have units: bytes > 1.5MiB. A version that has no value for ' +
        'a column meets no comparison of it, and no negated one either. --csv puts an apostrophe before texts ' +
        'that a spreadsheet would run.\n\n' +
        'With --json the document of versions has versions, fit, columns, hidden, better (min or max, of columns of metrics), baseline, rows (version, name, ' +
        'model, number, values, steps, deltas) and groups (group, versions, cells with count, value, mean, min, max).',
      examples: [
        ['dlv list', 'all models and the last version of each'],
        ['dlv list --model bert --last 10', 'the last ten versions of one model'],
        ['dlv list --sort stored', 'the models that need the most stored bytes first'],
        ["dlv list -m 'lr 0.1' --last 100", 'versions whose message contains a text'],
        [
          "dlv list --where 'metrics.acc > 0.9 and params.lr < 1e-3' --sort -best(acc)",
          'versions that fit, the best first',
        ],
        [
          "dlv list --where 'eval.accuracy > 0.9' --sort -eval.accuracy",
          "by what 'dlv eval' found",
        ],
        [
          "dlv list --versions --columns 'name,best(acc),params.*' --only-changed --baseline bert@3",
          'what differs, with differences to a version',
        ],
        [
          'dlv list --group params.opt --columns acc,loss --md',
          'means and extremes for each optimizer',
        ],
        ['dlv list v1..HEAD --csv', 'the versions since v1, for a spreadsheet'],
        ['dlv list --versions --html runs.html', 'a page with a table that sorts, and curves'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such model, revision or column' },
    })
    .argument('[revisions...]', 'versions to list, as a revision or a..b')
    .option('--model <name>', 'only this model')
    .option('-m, --message <text>', 'only versions whose message contains <text>')
    .option('--last <n>', 'show the last <n> versions of each model (default: 1), or <n> rows')
    .option(
      '--sort <keys>',
      'of models: name (default), stored, logical, versions or time, the largest first; of versions: ' +
        'columns, with - before one or :desc behind it for the largest first',
    )
    .option('--versions', 'show versions, a row each')
    .option('--where <condition>', 'only versions that fit, as "acc > 0.9 and opt = \'adam\'"')
    .option('--columns <names>', 'columns to show; metrics.* is all metrics')
    .option('--group <names>', 'one row for all versions that have the same values there')
    .option('--baseline <rev>', 'show how far numbers are from those of a version')
    .option('--only-changed', 'leave out columns in which all rows are equal')
    .option('--md', 'as a table in Markdown')
    .option('--csv', 'as CSV, with all digits')
    .option('--curves', 'show metrics over steps as small curves')
    .addOption(htmlOption('list'))
    .action(
      cli.action(async (run, revisions: string[], flags: Flags) => {
        const { html } = flags;
        if (html !== undefined) pageFile(html, 'list');
        if (asksForVersions(flags, revisions)) {
          const { versions } = await import('../../use/ops/versions.js');
          const { printVersionTable } = await import('../output/versions/version-table.js');
          const asked = versionsOptions(flags, revisions);
          const table = await run.repository((repo) => versions(repo, asked, run.context));
          const form = flags.md ? 'md' : flags.csv ? 'csv' : 'text';
          if (html !== undefined) {
            const { versionsPage } = await import('../pages/list-page.js');
            await writePage(run, { verb: 'list', flag: html }, (origin) =>
              versionsPage(table, origin),
            );
          }
          run.answer(table, (ui) => {
            if (html === undefined) printVersionTable(ui, table, form);
          });
          return 0;
        }
        const { list } = await import('../../use/ops/list.js');
        const { last, model, message, sort } = flags;
        const options: ListOptions = {
          ...(model === undefined ? {} : { model }),
          ...(message === undefined ? {} : { message }),
          ...(sort === undefined ? {} : { sort: sort as ListOrder }),
          ...(last === undefined ? {} : { last: parseCount(last, '--last') }),
        };
        const models = await run.repository((repo) => list(repo, options, run.context));
        if (html !== undefined) {
          const { modelsPage } = await import('../pages/models-page.js');
          await writePage(run, { verb: 'list', flag: html }, (origin) =>
            modelsPage(models, origin),
          );
        }
        run.answer(models, (ui) => {
          if (html === undefined) print(ui, models);
        });
        return 0;
      }),
    );
}
