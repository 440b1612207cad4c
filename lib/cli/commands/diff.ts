/** `dlv diff` on the command line. */
import { type Command, Option } from 'commander';
import { NoRepositoryError, UsageError } from '../../base/errors.js';
import type { Curve } from '../../use/history/curves.js';
import type { DiffOptions, DiffResult, ManyDiffResult } from '../../use/ops/diff.js';
import { parseCount } from '../arguments.js';
import { DIFF_EXAMPLE } from '../comparison/example.js';
import { type DiffForm, printDiff } from '../comparison/print.js';
import {
  addChangeOptions,
  type ChangeFlags,
  type ChangeForm,
  changeForm,
} from '../output/changes.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli, OpenRepository, Run } from '../run.js';

interface Flags extends ChangeFlags {
  staged?: boolean;
  cached?: boolean;
  /** False: --no-index. */
  index?: boolean;
  quiet?: boolean;
  model?: string;
  files?: boolean;
  all?: boolean;
  baseline?: string;
  sort?: 'name' | 'drift';
  top?: string;
  onlyChanged?: boolean;
  graph?: boolean;
  layers?: boolean;
  exact?: boolean;
  rank?: boolean;
  md?: boolean;
  csv?: boolean;
  exitCode?: boolean;
  html?: HtmlFlag;
}

export function register(program: Command, cli: Cli): void {
  const command = cli
    .command(program, 'diff', {
      summary: 'show which files and tensors differ, and by how much',
      about:
        'Without a revision, compares the work tree with what is staged; with one revision, the ' +
        'work tree with that version; with two, or a..b, the second version with the first; with ' +
        'a...b, b with the last common ancestor of both. <rev>:<path> is one folder or file of a ' +
        'version: two of them are compared with each other, whatever their names, and one is ' +
        'compared with the same path in the work tree, or with the path given after it.\n\nTwo files ' +
        'or folders on disk are compared as two versions are if one of them is tracked nowhere or ' +
        'lies outside of the repository; a file and <rev>:<path>, too. With --no-index all paths ' +
        'are such, no repository is needed, and the exit code is 1 if they differ, as with git.\n\nA ' +
        'moved file is found by its content or by its tensors and shown as renamed. Folders of ' +
        'checkpoints that were added, removed or moved as a whole are one row (in JSON, ' +
        'checkpoints), and a new checkpoint is compared with the last one before it. If the ' +
        'executable bit changed, both modes are shown after the size (in JSON, modeBefore and ' +
        'modeAfter).\n\nFor each changed tensor, dlv shows the share of elements whose bits ' +
        'differ, and over pairs of finite values the largest |b − a|, ‖b − a‖ / ‖a‖, the ' +
        'cosine, the share of signs that turned, and the effective rank of the change if it is quick to compute (--rank: always; of at most ' +
        '256 rows of a matrix). For tensors of more than 256 MiB, dlv reads leading bytes where ' +
        'these are enough: the number is then followed by ± and its error bound, and a share of ' +
        'changed elements with ≥ before it is a lower bound. --exact reads everything, and ' +
        'verifies it against the ids of its content. Tensors whose names differ only by a prefix that frameworks add, such as ' +
        "'module.' or '_orig_mod.', are compared too. Paths come last, after -- if a revision " +
        'has the same name.\n\nHyperparameters, metrics, environment and data ids that differ follow below the ' +
        'tensors. A metric is shown at the last step of a version, with the difference in parentheses, * at the ' +
        'best version, and the best value on the way to it where that is another. Where curves have common steps, dlv names the ' +
        'first step at which they differ, and the first from which they differ by more than ' +
        'three times their noise, the standard deviation of the difference from step to step. ' +
        'Networks are compared layer by layer, matched by name, by alias (conv1, fc2) with equal weights, then ' +
        'by kind and order, and drawn as one graph if a layer was added, removed or changed (--graph: always). ' +
        'Text files are compared line by line.\n\nWith three to eight versions, each is compared with the first ' +
        'or with --baseline, and --sort drift lists first the layers that moved most. --md writes tables for ' +
        'a pull request, --csv a table of section, name, version, field and value.\n\n--stat, --name-only and --name-status read no tensors. -q after the ' +
        'command prints nothing: the exit code is the answer.',
      examples: [
        ['dlv diff HEAD~1 HEAD', 'the last version against the one before'],
        ['dlv diff', 'what changed since dlv add'],
        ['dlv diff --staged', 'what the next version will change'],
        ['dlv diff --stat v1..HEAD', 'the files that changed since v1, with their sizes'],
        ['dlv diff mnist@1 mnist@4 -- model.safetensors', 'only one file'],
        ['dlv diff HEAD:checkpoint-500 HEAD:checkpoint-1000', 'two checkpoints of one version'],
        ['dlv diff base@1:model.pt HEAD:model.safetensors', 'two files of any versions'],
        ['dlv diff HEAD:model.safetensors ~/new.safetensors', 'a file before it is added'],
        ['dlv diff --no-index a.safetensors b.pt', 'two files, also where there is no repository'],
        ['dlv diff base tuned --sort drift --top 10', 'the tensors and layers that moved most'],
        ['dlv diff mnist@1 mnist@4 mnist@7 --graph', 'three versions, their networks as one graph'],
        ['dlv diff a b c --baseline b --md', 'tables for a pull request, compared with b'],
        ['dlv diff mnist@1 mnist@4 mnist@7 --html', 'the same as a page, with pictures'],
        ['dlv diff --quiet HEAD', 'exit code 1 if the work tree differs from the last version'],
      ],
      json: DIFF_EXAMPLE,
      exitCodes: { 1: 'with --exit-code, --quiet or --no-index: something differs' },
    })
    .argument('[revisions...]', 'none to eight revisions or <rev>:<path>, then paths')
    .option('--no-index', 'compare two files or folders on disk, whether they are tracked or not')
    .option('--staged', 'compare what is staged instead of the work tree')
    .option('--cached', 'the same as --staged')
    .option('--model <name>', "model line of the work tree (default: HEAD's)");
  addChangeOptions(command)
    .option('--files', 'list files only')
    .option('--all', 'list what is equal as well')
    .option('--baseline <rev>', 'version that the others are compared with (default: the first)')
    .addOption(
      new Option(
        '--sort <order>',
        'order of tensors and layers, by how far they moved or as in the file',
      )
        .choices(['name', 'drift'])
        .default('name'),
    )
    .option('--top <n>', 'at most so many tensors and layers, in tables and drawings')
    .option('--only-changed', 'leave out of the JSON values that are equal in all versions')
    .option('--graph', 'draw the networks, also where no layer differs')
    .option('--layers', 'how far the weights of each layer moved')
    .option('--exact', 'read all bytes of large checkpoints')
    .option('--rank', 'effective rank of each change, whatever work it is')
    .option('--md', 'print Markdown tables')
    .option('--csv', 'print CSV')
    .option('--exit-code', 'exit with 1 if something differs')
    .addOption(htmlOption('diff'))
    .action(
      cli.action(async (run, operands: string[], flags: Flags) => {
        const { before, after } = run.split(operands);
        const isOnDisk = flags.index === false;
        if (isOnDisk) checkOnDisk(flags);
        const isQuiet = flags.quiet === true && !run.ui.json;
        const form = changeForm(flags) ?? 'patch';
        const options: DiffOptions = {
          revisions: before,
          paths: after ?? [],
          staged: flags.staged === true || flags.cached === true,
          filesOnly:
            flags.files === true ||
            form !== 'patch' ||
            (flags.quiet === true && flags.html === undefined),
          all: flags.all === true,
          exact: flags.exact === true,
          onlyChanged: flags.onlyChanged === true,
          sort: flags.sort ?? 'name',
          ...(flags.rank ? { rank: true } : {}),
          ...(flags.baseline === undefined ? {} : { baseline: flags.baseline }),
          ...(flags.model === undefined ? {} : { model: flags.model }),
        };
        const how = diffForm(flags, form);
        const { html } = flags;
        if (html !== undefined) pageFile(html, 'diff');
        const { result, curves } = isOnDisk
          ? await compareOnDisk(run, options)
          : await compare(run, options, html !== undefined);
        if (html !== undefined) {
          const { diffPage } = await import('../pages/diff-page.js');
          await writePage(run, { verb: 'diff', flag: html }, (origin) =>
            diffPage({ result, curves }, origin),
          );
        }
        run.answer(result, (ui) => isQuiet || html !== undefined || printDiff(ui, result, how));
        const isAnswer = isOnDisk || flags.exitCode || (flags.quiet && html === undefined);
        return isAnswer && !result.same ? 1 : 0;
      }),
    );
}

interface Compared {
  result: DiffResult | ManyDiffResult;
  curves: Curve[][];
}

/** Compares what the options name; outside of a repository two paths, which is all that there is. */
async function compare(run: Run, options: DiffOptions, hasCurves: boolean): Promise<Compared> {
  const { arePairOnDisk, diffAny } = await import('../../use/ops/diff.js');
  try {
    return await run.repository(async (repo) => {
      const result = await diffAny(repo, options, run.context);
      return { result, curves: hasCurves ? await curvesOf(run, repo, result) : [] };
    });
  } catch (error) {
    const isNowhere = error instanceof NoRepositoryError;
    if (!isNowhere || !(await arePairOnDisk(wordsOf(options), run.context))) throw error;
    return compareOnDisk(run, options);
  }
}

async function compareOnDisk(run: Run, options: DiffOptions): Promise<Compared> {
  const { diffOnDisk } = await import('../../use/ops/diff.js');
  return { result: await diffOnDisk(wordsOf(options), options, run.context), curves: [] };
}

function wordsOf({ revisions = [], paths = [] }: DiffOptions): string[] {
  return [...revisions, ...paths];
}

/** @throws {UsageError} for flags that say something of a repository. */
function checkOnDisk({ staged, cached, model, baseline }: Flags): void {
  const named = {
    '--staged': staged,
    '--cached': cached,
    '--model': model,
    '--baseline': baseline,
  };
  for (const [flag, value] of Object.entries(named)) {
    if (value === undefined) continue;
    throw new UsageError(`--no-index and ${flag} cannot be used together`, {
      hint: '--no-index compares two files or folders on disk, whatever is tracked',
    });
  }
}

/** The curves of the versions that are compared, for a page. */
async function curvesOf(
  run: Run,
  repo: OpenRepository,
  { ends }: Pick<DiffResult, 'ends'>,
): Promise<Curve[][]> {
  const { log } = await import('../../use/ops/log.js');
  const found: Curve[][] = [];
  for (const { version } of ends) {
    if (version === null) found.push([]);
    else {
      const options = { revisions: [version], maxCount: 1, curves: true };
      const [entry] = await log(repo, options, run.context);
      found.push(entry?.curves ?? []);
    }
  }
  return found;
}

/** @throws {UsageError} for forms that exclude each other. */
function diffForm(flags: Flags, form: ChangeForm): DiffForm {
  if (flags.md && flags.csv) throw new UsageError('--md and --csv cannot be used together');
  return {
    form,
    as: flags.md ? 'md' : flags.csv ? 'csv' : 'text',
    all: flags.all === true,
    graph: flags.graph === true,
    layers: flags.layers === true || flags.sort === 'drift',
    top: flags.top === undefined ? null : parseCount(flags.top, '--top'),
  };
}
