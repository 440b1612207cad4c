/** `dlv query` on the command line. */
import { type Command, Option } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { NamedQuery, QueryResult } from '../../use/ops/query.js';
import { parseCount } from '../arguments.js';
import { readText } from '../message.js';
import { EXAMPLE_VERSION } from '../output/render.js';
import { formatTable } from '../output/table.js';
import type { Ui } from '../output/ui.js';
import { htmlOption, pageFile, writePage } from '../pages/write-page.js';
import { askAtPrompt, canPrompt } from '../query/ask.js';
import { makeVersions, type QueryFlags, runStudy } from '../query/carry-out.js';
import type { Cli, Run } from '../run.js';

const EXAMPLE: QueryResult = {
  columns: [
    { name: 'm', kind: 'version' },
    { name: 'm.metrics.acc', kind: 'value' },
  ],
  rows: [
    {
      values: ['mnist@3', 0.9183],
      versions: [{ variable: 'm', version: EXAMPLE_VERSION.version, name: 'mnist@3' }],
    },
  ],
  looked: 12,
  fit: 1,
  conditions: [
    {
      condition: 'm.metrics.acc > 0.9',
      variables: ['m'],
      reads: 'catalog',
      asked: 12,
      fitted: 1,
      failed: ['mnist@2', 'mnist@1'],
      unknown: [],
      bindings: [],
    },
  ],
  explain: false,
  hints: [],
};

/** The text of the query that operands and flags give. @throws {UsageError} */
async function textOf(
  run: Run,
  words: readonly string[],
  { file, named }: QueryFlags,
): Promise<string> {
  const given = [words.length > 0, file !== undefined, named !== undefined].filter(Boolean).length;
  if (given > 1)
    throw new UsageError('the query is given twice', {
      hint: 'give it as an operand, with --file or with --named',
    });
  if (file !== undefined) return readText(file, run, 'query');
  if (named !== undefined) {
    const { namedQuery } = await import('../../use/ops/query.js');
    return (await run.repository((repo) => namedQuery(repo, named))).query;
  }
  if (words.length === 1 && words[0] === '-') return readText('-', run, 'query');
  if (words.length > 0) return words.join(' ');
  throw new UsageError('there is no query', {
    hint: "write one in quotes: dlv query 'select m where m.metrics.acc > 0.9', or read it with --file; dlv help dql has the language",
  });
}

function printNamed(ui: Ui, queries: readonly NamedQuery[]): void {
  const rows = queries.map(({ name, query }) => [
    { text: name, style: ui.style.bold },
    query.replace(/\s+/g, ' '),
  ]);
  for (const line of formatTable([{}, { limit: 200 }], rows)) ui.line(line);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'query', {
      summary: 'ask for models by what they are, and make new ones of them, in DQL',
      about:
        'A query names what to show, and conditions that the versions have to meet: on attributes, ' +
        "hyperparameters, metrics, lineage and the layers of networks. 'dlv help dql' has the language in a " +
        'page, and docs/dql.md all of it. Keywords may be in upper or lower case; texts are in quotes.\n\n' +
        '--save stores a query under a name; --named runs it, and another query can use it as a ' +
        'source. --explain says what each condition was asked of and how many versions it let ' +
        'through. Errors name line and column.\n\n' +
        'slice and construct make new versions: of parts of networks, of changed networks, or of ' +
        'a chain of layers. The versions belong to the model that the statement names, each on a ' +
        'branch for its source. A statement that is run again makes nothing twice. With ' +
        '--json the document then has statement, dryRun, looked, fit, versions and hints; a version has source, version, ' +
        'name, model, branch, isKnown, networks (path, inputs, outputs, layers, changes, initialised, sideInputs), ' +
        'logicalBytes, storedBytes and metadataBytes.\n\n' +
        'evaluate trains versions: it takes the settings of a JSON file, tries each combination of the values that the ' +
        'statement varies, and keeps the best by rules. Each trial is a version of the model that the statement names. ' +
        'The plan is printed on stderr before anything runs (explain and --dry-run stop there); then a terminal shows the ' +
        'trials at work, and any other stderr each trial when it ends. A trial that ended is never run again: if a run is ' +
        'interrupted, the same statement resumes it. Trials train on this machine, on Ray or on Slurm (--executor). --html ' +
        'writes a report. With --json, stderr has each event as a line (plan, progress, trial), and the document has study, ' +
        'model, dryRun, plan, trials (number, trial, state: complete, pruned, failed or nan, source, assignment, iterations, ' +
        'rungs, seconds, message, version, name, isKnown), kept, duplicates, metric, isLess and importance.\n\n' +
        'In a terminal, without a query, there is a prompt. It stores what was asked in ' +
        'query-history beside your settings, completes words, columns, models and stored queries ' +
        'with the Tab key, and continues a statement on the next line until it is complete.\n\n' +
        'With --json the document has columns (name, kind: version, time or value), rows (values, one for each ' +
        'column, and versions), looked, fit, conditions, explain and hints. --csv puts an apostrophe before texts that a ' +
        'spreadsheet would run.',
      examples: [
        [
          "dlv query 'select m where m.metrics.acc > 0.9 order by m.metrics.acc desc'",
          'versions by a metric, the best first',
        ],
        [
          `dlv query 'select m where m.name like "alexnet%" and m["conv[1,3,5]"].next has POOL("MAX")'`,
          'versions whose conv1, conv3 or conv5 is followed by max pooling',
        ],
        [
          `dlv query 'select m.name, best(m["loss"]) as loss, m.params.lr from m where m derived from "base@1"'`,
          'columns of the versions that derive from one',
        ],
        [
          'dlv query "select m.params.opt, count(*), max(m.metrics.acc) from m group by m.params.opt"',
          'one row for each optimizer',
        ],
        ["dlv query --save good 'select m where m.metrics.acc > 0.9'", 'saves a query'],
        [
          `dlv query 'select m from m in "good" where exists m["lstm*"]' --explain`,
          'ask of what another query gives',
        ],
        ['dlv query --file best.dql --csv', 'from a file, for a spreadsheet'],
        ['dlv query --named good --html good.html', 'a page with a table that sorts'],
        ['dlv query', 'ask at a prompt'],
        [
          `dlv query 'slice head from m where m.name = "alexnet@3" mutate head.input = m["conv1"] and head.output = m["fc7"]'`,
          'a version with the part of a network between two layers',
        ],
        [
          `dlv query 'construct m2 from m where m.model = "vgg" mutate m["conv1"].insert = BN' --dry-run`,
          'say which versions with a changed network would be made',
        ],
        [
          "dlv query 'construct lenet as INPUT(1, 28, 28) -> CONV(units = 6, kernel = 5) -> RELU -> FULL(units = 10)'",
          'a new network, with initial weights',
        ],
        [
          `dlv query 'evaluate t from "lenet@1" with config = "train.json" vary config.base_lr in [0.1, 0.01] keep top(1, m["loss"], 100)'`,
          'train with two rates, keep the better version',
        ],
        [
          'dlv query --file study.dql --executor slurm --workers 32 --html study.html',
          'train on a cluster, and write a report',
        ],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such column, revision or query; nothing that a slice or construct could be made of, or that a study kept',
        2: 'the query cannot be read, or layers would not fit',
      },
    })
    .argument('[query...]', 'the query; - reads it from stdin')
    .option('-F, --file <file>', 'read the query from a file, or from stdin with -')
    .option('--named <name>', 'run a saved query')
    .option('--save <name>', 'save the query under a name, and do not run it')
    .option('--list', 'list the saved queries')
    .option('--delete <name>', 'delete a saved query')
    .option('--explain', 'say what each condition did')
    .option('--md', 'as a table in Markdown')
    .option('--csv', 'as CSV, with all digits')
    .addOption(htmlOption('query'))
    .option('-n, --dry-run', 'of slice, construct and evaluate: say what would be made')
    .option(
      '--model <name>',
      'model of the new versions; default: the name that the statement gives',
    )
    .option(
      '--workers <n>',
      'of evaluate: trials that train at once; default: by cores and memory',
      (text: string) => parseCount(text, '--workers'),
    )
    .addOption(
      new Option(
        '--executor <kind>',
        'of evaluate: where trials train; default: executor.kind of the settings',
      ).choices(['local', 'ray', 'slurm']),
    )
    .option('--branch <name>', 'branch of the new version; default: named after its source')
    .action(
      cli.action(async (run, words: string[], flags: QueryFlags) => {
        if (flags.md && flags.csv) throw new UsageError('--md and --csv exclude each other');
        const { query, saveQuery, listQueries, deleteQuery, statementKind } = await import(
          '../../use/ops/query.js'
        );
        const {
          list,
          save,
          delete: gone,
          explain,
          dryRun,
          model,
          branch,
          workers,
          executor,
          html,
        } = flags;
        if (html !== undefined) pageFile(html, 'query');
        if (list) {
          const queries = await run.repository((repo) => listQueries(repo));
          run.answer(queries, (ui) => printNamed(ui, queries));
          return 0;
        }
        if (gone !== undefined) {
          const deleted = await run.repository((repo) => deleteQuery(repo, gone));
          run.report(deleted, (ui) => ui.note(`forgot the query '${deleted.name}'`));
          return 0;
        }
        const isBare = words.length === 0 && flags.file === undefined && flags.named === undefined;
        if (isBare && save === undefined && canPrompt(run)) return askAtPrompt(run);
        const text = await textOf(run, words, flags);
        if (save !== undefined) {
          const saved = await run.repository((repo) => saveQuery(repo, save, text));
          run.report(saved, (ui) => ui.note(`saved the query '${saved.name}'`));
          return 0;
        }
        const kind = statementKind(text);
        for (const [flag, value] of Object.entries({ workers, executor })) {
          if (kind === 'evaluate' || value === undefined) continue;
          throw new UsageError(`--${flag} is for evaluate`);
        }
        if (kind === 'slice' || kind === 'construct') {
          const result = await makeVersions(run, text, kind, flags);
          const { printConstruction } = await import('../output/versions/construction-report.js');
          run.report(result, (ui) => printConstruction(ui, result));
          return result.versions.length === 0 ? 1 : 0;
        }
        if (kind === 'evaluate') return runStudy(run, text, flags);
        for (const [name, value] of Object.entries({ dryRun, model, branch })) {
          if (value === undefined) continue;
          const flag = name === 'dryRun' ? '--dry-run' : `--${name}`;
          throw new UsageError(`${flag} is for slice, construct and evaluate, which make versions`);
        }
        const result = await run.repository((repo) => query(repo, text, run.context));
        const { printQuery } = await import('../output/versions/query-table.js');
        const form = flags.md ? 'md' : flags.csv ? 'csv' : 'text';
        if (html !== undefined) {
          const { queryPage } = await import('../pages/query-page.js');
          await writePage(run, { verb: 'query', flag: html }, (origin) =>
            queryPage(text, result, origin),
          );
        }
        run.answer(result, (ui) => {
          if (html === undefined) printQuery(ui, result, form, explain === true || result.explain);
        });
        return 0;
      }),
    );
}
