/** `dlv log` on the command line. */

import type { Command } from 'commander';
import { pushAll } from '../../base/bytes/many.js';
import { UsageError } from '../../base/errors.js';
import type { VersionSummary } from '../../use/history/versions.js';
import type { History, LogEntry, LogOptions } from '../../use/ops/log.js';
import { parseCount, parsePattern, parseTime } from '../arguments.js';
import { collect } from '../flags.js';
import {
  addChangeOptions,
  type ChangeFlags,
  type ChangeForm,
  changeForm,
  changeLines,
} from '../output/changes.js';
import { curveLines } from '../output/curves.js';
import { EXAMPLE_VERSION, subject, versionLines, versionTitle } from '../output/render.js';
import type { Ui } from '../output/ui.js';
import { besideGraph, drawGraph, type GraphRow } from '../output/versions/graph.js';
import { FORMAT_HELP, VersionFormat } from '../output/versions/version-format.js';
import { type HtmlFlag, htmlOption, pageFile, writePage } from '../pages/write-page.js';
import type { Cli } from '../run.js';

interface Flags extends ChangeFlags {
  graph?: boolean;
  all?: boolean;
  oneline?: boolean;
  decorate?: boolean;
  model?: string;
  maxCount?: string;
  skip?: string;
  reverse?: boolean;
  firstParent?: boolean;
  merges?: boolean;
  grep?: string[];
  author?: string[];
  regexpIgnoreCase?: boolean;
  since?: string;
  after?: string;
  until?: string;
  before?: string;
  format?: string;
  pretty?: string;
  html?: HtmlFlag;
  curves?: boolean;
}

/** How versions read: whole, in a line, or after a format. */
type Look = 'medium' | 'oneline' | VersionFormat;

function lookOf(flags: Flags): Look {
  const text = flags.format ?? flags.pretty;
  if (text === undefined) return flags.oneline ? 'oneline' : 'medium';
  if (text === 'oneline' || text === 'medium') return text;
  if (text.includes('%')) return new VersionFormat(text);
  throw new UsageError(`--format is '${text}', which is not a format`, {
    option: '--format',
    hint: "write oneline, medium, or placeholders as '%h %s'; --json prints everything",
  });
}

async function optionsOf(flags: Flags, form: ChangeForm | null): Promise<LogOptions> {
  const tests = (texts: readonly string[], flag: string) =>
    Promise.all(texts.map((text) => parsePattern(text, flag, flags.regexpIgnoreCase === true)));
  const { maxCount, skip, grep, author, model, merges } = flags;
  const since = flags.since ?? flags.after;
  const until = flags.until ?? flags.before;
  return {
    // Pages draw the graph.
    topological: flags.graph === true || flags.html !== undefined,
    curves: flags.curves === true || flags.html !== undefined,
    all: flags.all === true,
    reverse: flags.reverse === true,
    firstParent: flags.firstParent === true,
    ...(model === undefined ? {} : { model }),
    ...(merges === undefined ? {} : { merges }),
    ...(maxCount === undefined ? {} : { maxCount: parseCount(maxCount, '-n') }),
    ...(skip === undefined ? {} : { skip: parseCount(skip, '--skip') }),
    ...(grep === undefined ? {} : { grep: await tests(grep, '--grep') }),
    ...(author === undefined ? {} : { author: await tests(author, '--author') }),
    ...(since === undefined ? {} : { since: await parseTime(since, 'begin') }),
    ...(until === undefined ? {} : { until: await parseTime(until, 'end') }),
    ...(form === null ? {} : { changes: form === 'patch' ? 'tensors' : 'files' }),
  };
}

/** Lines that are written together: a write for each takes longer than all that they say. */
const LINES_AT_ONCE = 500;

/** Prints versions one after another. */
class Printer {
  readonly #ui: Ui;
  readonly #look: Look;
  readonly #form: ChangeForm | null;
  readonly #flags: Flags;
  #drawing: Map<string, GraphRow> | null = null;
  #pending: string[] = [];

  constructor(ui: Ui, flags: Flags, form: ChangeForm | null) {
    this.#ui = ui;
    this.#look = lookOf(flags);
    this.#form = form;
    this.#flags = flags;
  }

  #row(id: string, history: History): GraphRow {
    this.#drawing ??= new Map(
      drawGraph(
        history.versions.map(({ version }) => ({
          id: version,
          parents: history.ancestors.get(version) ?? [],
        })),
      ).map((row) => [row.id, row]),
    );
    return this.#drawing.get(id) as GraphRow;
  }

  #lines(entry: LogEntry): string[] {
    const shown: VersionSummary = this.#flags.decorate === false ? { ...entry, refs: [] } : entry;
    const lines: string[] = [];
    if (typeof this.#look !== 'string') pushAll(lines, this.#look.format(shown).split('\n'));
    else {
      const title = versionTitle(this.#ui, shown);
      if (this.#look === 'oneline') lines.push(`${title} ${subject(entry.message)}`);
      else lines.push(title, ...versionLines(shown), '');
    }
    if (entry.curves !== undefined) pushAll(lines, curveLines(entry.curves));
    if (this.#form === null) return lines;
    const { files = [], checkpoints = [], snapshots = [] } = entry;
    const changes = changeLines(this.#ui, this.#form, { files, checkpoints, snapshots });
    const isApart = this.#look === 'medium' && changes.length > 0;
    return [...lines, ...changes, ...(isApart ? [''] : [])];
  }

  print(entry: LogEntry, history: History): void {
    const lines = this.#lines(entry);
    const shown = this.#flags.graph ? besideGraph(this.#row(entry.version, history), lines) : lines;
    pushAll(this.#pending, shown);
    // What takes long to find is shown at once.
    if (this.#form !== null || this.#pending.length >= LINES_AT_ONCE) this.end();
  }

  /** Writes what was printed so far. */
  end(): void {
    this.#ui.lines(this.#pending);
    this.#pending = [];
  }
}

export function register(program: Command, cli: Cli): void {
  const command = cli
    .command(program, 'log', {
      summary: 'show versions, newest first',
      about:
        'Shows the version that a revision names (default: HEAD) and all of its ancestors, also ' +
        'in other models; a..b shows the ancestors of b that are not ancestors of a. With paths, ' +
        'only versions that changed one of them are shown; paths come last, after -- if a ' +
        "revision has the same name. Dates have a form such as '2026-01-31', " +
        "'2026-01-31T12:00:00+02:00', 'yesterday' or '2 weeks ago'.\n\n" +
        `Placeholders of --format: ${FORMAT_HELP}. ` +
        'With --json, --stat adds files, and -p adds files and snapshots, as in dlv diff.',
      examples: [
        ['dlv log', 'the history of the current model'],
        ['dlv log --graph --all --oneline', 'all lines, drawn, one line each'],
        ['dlv log -5 bert', 'the last five versions of the model bert'],
        ['dlv log --stat v1..HEAD', 'the versions since v1 and the files that each changed'],
        ['dlv log -p -1 model.safetensors', 'how the last change affected every tensor of a file'],
        ["dlv log --since '2 weeks ago' --author ada", 'what Ada committed in the last two weeks'],
        ["dlv log --format '%h %{loss} %s'", 'ids with a metric and the first line of the message'],
        ['dlv log --all --html history.html', 'a page with the graph and the metrics of all lines'],
      ],
      json: [EXAMPLE_VERSION],
      exitCodes: { 1: 'no such revision, or no version yet' },
    })
    .argument('[revisions...]', 'where to start: revisions or a..b, then paths')
    .option('--graph', 'draw the graph of versions')
    .option('--oneline', 'one line for each version')
    .option('--all', 'start from every branch and tag')
    .option('-n, --max-count <n>', 'show at most <n> versions; -5 is the same as -n 5')
    .option('--skip <n>', 'skip the first <n>')
    .option('--model <name>', 'show only versions of this model');
  addChangeOptions(command)
    .option('--since <date>', 'show versions of this time or later (also --after)')
    .option('--until <date>', 'show versions of this time or earlier (also --before)')
    .option('--after <date>', 'the same as --since')
    .option('--before <date>', 'the same as --until')
    .option('--grep <pattern>', 'show versions whose message matches (repeatable)', collect)
    .option(
      '--author <pattern>',
      "show versions whose author matches, such as 'ada' (repeatable)",
      collect,
    )
    .option('-i, --regexp-ignore-case', 'patterns ignore case')
    .option('--merges', 'show only versions with several parents')
    .option('--no-merges', 'show only versions with one parent or none')
    .option('--first-parent', 'follow only first parents')
    .option('--reverse', 'show the oldest first')
    .option('--format <format>', 'oneline, medium, or a text with placeholders')
    .option('--pretty <format>', 'the same as --format')
    .option('--decorate', 'show the names of branches and tags (the default)')
    .option('--no-decorate', 'show no names of branches and tags')
    .option('--curves', 'show metrics over steps as small curves')
    .addOption(htmlOption('log'))
    .action(
      cli.action(async (run, operands: string[], flags: Flags) => {
        const { walkLog } = await import('../../use/ops/log.js');
        const { before, after } = run.split(operands);
        const form = changeForm(flags);
        const printer = new Printer(run.ui, flags, form);
        const options = {
          ...(await optionsOf(flags, form)),
          revisions: before,
          paths: after ?? [],
        };
        const { html } = flags;
        if (html !== undefined) pageFile(html, 'log');
        const entries: LogEntry[] = [];
        let ancestors: History['ancestors'] = new Map();
        await run.repository((repo) =>
          walkLog(repo, options, run.context, async (entry, history) => {
            ancestors = history.ancestors;
            if (run.ui.json || html !== undefined) entries.push(entry);
            else printer.print(entry, history);
            return !run.outputClosed();
          }),
        );
        printer.end();
        if (html !== undefined) {
          const { logPage } = await import('../pages/log-page.js');
          await writePage(run, { verb: 'log', flag: html }, (origin) =>
            logPage({ entries, ancestors }, origin),
          );
        }
        run.answer(entries, () => {});
        return 0;
      }),
    );
}
