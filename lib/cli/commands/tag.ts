/** `dlv tag` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { TagChange, TagEntry } from '../../use/ops/tag.js';
import { parseCount } from '../arguments.js';
import { canEdit, withWritten } from '../editor.js';
import { exampleId, shortId, subject } from '../output/render.js';
import { formatTable } from '../output/table.js';
import type { Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  list?: boolean;
  lines?: string | boolean;
  contains?: string;
  delete?: boolean;
  force?: boolean;
  exact?: boolean;
  annotate?: boolean;
  message?: string;
}

const EXAMPLE: TagEntry[] = [
  {
    tag: 'v1',
    version: exampleId('9c1f0e6f0b'),
    model: 'mnist',
    number: 3,
    name: 'mnist@3',
    message: 'train 10 more epochs',
    time: '2026-01-31T12:00:00.000+02:00',
    exact: false,
    note: {
      message: 'the one in the paper',
      author: 'Ada <ada@example.org>',
      time: '2026-02-01T09:00:00.000+02:00',
    },
  },
];

function printList(ui: Ui, tags: readonly TagEntry[], lines: number): void {
  const rows = tags.map(({ tag, version, name, message, exact, note }) => [
    exact ? `${tag} (exact)` : tag,
    { text: shortId(version), style: ui.style.yellow },
    name,
    subject(note?.message ?? message),
  ]);
  formatTable([{}, {}, {}, {}], rows).forEach((row, i) => {
    ui.line(row);
    const { message, note } = tags[i] as TagEntry;
    const more = (note?.message ?? message).trimEnd().split('\n').slice(1, lines);
    for (const line of more) ui.line(line === '' ? '' : `    ${line}`);
    if (note !== null && lines > 1) ui.line(`    ${note.author}, ${note.time}`);
  });
}

function printChange(ui: Ui, change: TagChange): void {
  const was = change.action === 'moved' && change.before ? `, was ${shortId(change.before)}` : '';
  const at = change.action === 'deleted' ? ', was' : ' at';
  ui.note(`${change.action} tag '${change.tag}'${at} ${shortId(change.version)}${was}`);
}

async function change(
  run: Run,
  name: string,
  revision: string | undefined,
  flags: Flags,
): Promise<void> {
  if (flags.annotate && flags.message === undefined) {
    if (!canEdit(run)) {
      throw new UsageError('a tag of its own message needs the message', {
        hint: 'give it with -m',
      });
    }
    const setting = await run.repository(async ({ config }) => config.get('core.editor'));
    const comment = [`The tag '${name}' at ${revision ?? 'HEAD'}.`];
    return withWritten(run, { comment, setting }, (message) =>
      carryOut(run, name, revision, { ...flags, message }),
    );
  }
  return carryOut(run, name, revision, flags);
}

async function carryOut(
  run: Run,
  name: string,
  revision: string | undefined,
  flags: Flags,
): Promise<void> {
  const ops = await import('../../use/ops/tag.js');
  const { message } = flags;
  if (flags.delete && message !== undefined) throw new UsageError('-d takes no message');
  if (flags.delete && revision !== undefined) throw new UsageError('-d takes one tag');
  const result = await run.repository((repo) =>
    flags.delete
      ? ops.deleteTag(repo, { name }, run.context)
      : ops.createTag(
          repo,
          {
            name,
            force: flags.force === true,
            exact: flags.exact === true,
            ...(message === undefined ? {} : { message }),
            ...(revision === undefined ? {} : { revision }),
          },
          run.context,
        ),
  );
  run.report(result, (ui) => printChange(ui, result));
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'tag', {
      summary: 'list, create or delete tags',
      about:
        'Without a name, lists the tags. A tag names a version and does not move, except with ' +
        '-f. A message is kept with its author and time, and is listed instead of the message of ' +
        'the version. With --json, a change prints an object with action, tag, version and before.',
      examples: [
        ['dlv tag', 'the tags and their versions'],
        ["dlv tag -l 'v1.*'", 'the tags whose names match'],
        ['dlv tag v1', 'tags the version of HEAD'],
        ['dlv tag best mnist@3', 'tags the third version'],
        ["dlv tag -m 'the one in the paper' paper", 'tags with a message'],
        ['dlv tag --exact v1', 'and protects its exact bytes from dlv archive --tier'],
        ['dlv tag -d best', 'deletes the tag; the version is kept'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such tag or version, or the tag exists already' },
    })
    .argument('[name]', 'tag')
    .argument('[rev]', 'version to name (default: HEAD)')
    .option('-l, --list', 'list the tags, or those whose names fit globs: -l [pattern]')
    .option('-n, --lines [lines]', 'list the tags with this many lines of the message (default: 1)')
    .option('--contains <rev>', 'list the tags of <rev> and of its descendants')
    .option('-d, --delete', 'delete a tag')
    .option('-m, --message <text>', 'message, kept with its author and time')
    .option('-a, --annotate', 'with a message: that of -m, or from an editor')
    .option('-f, --force', 'move an existing tag')
    .option('--exact', 'protect its exact bytes: no tier can replace them while the tag exists')
    .action(
      cli.action(async (run, name: string | undefined, rev: string | undefined, flags: Flags) => {
        const isList = flags.list || flags.lines !== undefined || flags.contains !== undefined;
        if (name !== undefined && !isList) {
          await change(run, name, rev, flags);
          return 0;
        }
        if (flags.delete) throw new UsageError('no tag given');
        const lines = typeof flags.lines === 'string' ? parseCount(flags.lines, '-n') : 1;
        const { contains } = flags;
        const options = {
          patterns: [name, rev].filter((pattern) => pattern !== undefined),
          ...(contains === undefined ? {} : { contains }),
        };
        const { listTags } = await import('../../use/ops/tag.js');
        const tags = await run.repository((repo) => listTags(repo, options, run.context));
        run.answer(tags, (ui) => printList(ui, tags, lines));
        return 0;
      }),
    );
}
