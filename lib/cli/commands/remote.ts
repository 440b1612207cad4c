/** `dlv remote` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { RemoteChange, RemoteEntry } from '../../use/ops/remote.js';
import type { Follower, RemoteBranch, RemoteDescription } from '../../use/ops/remote-show.js';
import { shortId } from '../output/render.js';
import { formatTable } from '../output/table.js';
import { formatBytes, formatCount, type Ui } from '../output/ui.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  verbose?: boolean;
}

const EXAMPLE: RemoteEntry[] = [{ name: 'origin', url: '/mnt/team/mnist.dlv' }];

/** Names that each action takes, as the usage line says them. */
export const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  list: [],
  add: ['name', 'url'],
  remove: ['name'],
  rename: ['old', 'new'],
  'set-url': ['name', 'url'],
  'get-url': ['name'],
  show: ['name'],
};

/** Exit code of a remote that lacks what it lists. */
const DAMAGED = 12;

const OTHER_NAMES: Readonly<Record<string, string>> = { rm: 'remove' };

/** Actions of git that dlv lacks, and what to do instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  update: "'dlv fetch --all' fetches from all remotes",
  prune: "'dlv fetch --prune <name>' forgets branches that the remote has no more",
  'set-head': 'a clone checks out the branch that was pushed first; --branch chooses another',
  'set-branches': "'dlv fetch <name> <branches>' brings some branches of a remote",
};

async function list(run: Run, only: string | null, isVerbose: boolean): Promise<void> {
  const { listRemotes } = await import('../../use/ops/remote.js');
  const { remoteNamed } = await import('../../use/tracking/remotes.js');
  const all = await run.repository(listRemotes);
  if (only !== null) {
    const urls = new Map(all.map(({ name, url }) => [name, url]));
    const { url } = remoteNamed({ urls, upstreams: new Map() }, only);
    run.answer({ name: only, url }, (ui) => ui.line(url));
    return;
  }
  run.answer(all, (ui) => {
    if (!isVerbose) for (const { name } of all) ui.line(name);
    else
      for (const line of formatTable(
        [{}, {}],
        all.map(({ name, url }) => [name, url]),
      ))
        ui.line(line);
  });
}

const STATES: Readonly<Record<RemoteBranch['status'], string>> = {
  new: 'new',
  moved: 'moved since the last fetch',
  same: '',
  gone: "gone there: 'dlv fetch --prune' forgets it",
};

function followed({ branch, ahead, behind }: Follower): string {
  const isEven = ahead === 0 && behind === 0;
  const apart = [ahead ? `ahead ${ahead}` : '', behind ? `behind ${behind}` : ''].filter(Boolean);
  const state = ahead === null ? 'not fetched yet' : isEven ? 'up to date' : apart.join(', ');
  return `followed by ${branch} (${state})`;
}

async function describe(run: Run, name: string): Promise<number> {
  const { describeRemote } = await import('../../use/ops/remote-show.js');
  const result = await run.repository((repo) => describeRemote(repo, { name }, run.context));
  run.answer(result, (ui) => printDescription(ui, result));
  return result.missing.length === 0 ? 0 : DAMAGED;
}

function printDescription(ui: Ui, result: RemoteDescription): void {
  const { name, url, head, branches, tags, sets, bytes, missing } = result;
  ui.line(`${name}  ${url}`);
  ui.line(head === null ? 'It has no versions yet' : `A clone checks out ${head}`);
  const rows = branches.map(({ name: title, version, status, followers }) => [
    '  ',
    title,
    version === null ? '' : shortId(version),
    [STATES[status], ...followers.map(followed)].filter(Boolean).join('; '),
  ]);
  if (rows.length > 0) ui.line('Branches');
  for (const line of formatTable([{}, {}, {}, {}], rows)) ui.line(line.trimEnd());
  const tagRows = tags.map(({ name: tag, version, status }) => [
    '  ',
    tag,
    shortId(version),
    status === 'same' ? '' : status === 'new' ? 'not here' : 'another version here',
  ]);
  if (tagRows.length > 0) ui.line('Tags');
  for (const line of formatTable([{}, {}, {}, {}], tagRows)) ui.line(line.trimEnd());
  const what = `${formatCount(sets, 'pack set')}, ${formatBytes(bytes)}`;
  if (missing.length === 0) {
    ui.line(`Packs: ${what}, all there`);
    return;
  }
  const [first] = missing;
  ui.line(
    `${ui.style.red('Damaged:')} of ${what}, ${formatCount(missing.length, 'file')} are missing or have other ` +
      `sizes, such as '${first}': push from a repository that is whole, to a new address`,
  );
}

async function change(run: Run, action: string, names: readonly string[]): Promise<void> {
  const ops = await import('../../use/ops/remote.js');
  const [first = '', second = ''] = names;
  const { context } = run;
  const result = await run.repository((repo): Promise<RemoteChange> => {
    if (action === 'add') return ops.addRemote(repo, { name: first, url: second }, context);
    if (action === 'remove') return ops.removeRemote(repo, { name: first }, context);
    if (action === 'rename') return ops.renameRemote(repo, { from: first, to: second }, context);
    return ops.setRemoteUrl(repo, { name: first, url: second }, context);
  });
  run.report(result, (ui) => {
    const { name, url, before } = result;
    const was = before === null || before === name ? '' : `, was '${before}'`;
    ui.note(`${result.action} '${name}' (${url})${was}`);
  });
}

/** The action that a word means; `show` alone lists. */
function actionOf(given: string | undefined, names: readonly string[]): string {
  if (given === undefined || (given === 'show' && names.length === 0)) return 'list';
  return OTHER_NAMES[given] ?? given;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'remote', {
      summary: 'list, add, remove or rename remotes',
      about:
        'A remote is an address that holds versions: a folder (also one on a network mount), a web server ' +
        'that serves such a folder, or a bucket. It needs no server of its own: the first push to an empty ' +
        'address makes it. An address of a bucket is s3://bucket/prefix, with ?endpoint=https://host for a store that ' +
        "is not Amazon's; credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or from the profile " +
        'AWS_PROFILE, and are never stored. Actions are add <name> <url>, remove <name>, rename <old> <new>, set-url <name> <url>, ' +
        'get-url <name> and show <name>. A folder is stored with its full path. show asks the remote which branches and tags it has, ' +
        'which of them were not fetched yet, and whether the packs that it lists are there. With --json, a change prints an ' +
        'object with action, name, url and before; show one with name, url, head, branches, tags, sets, bytes, missing and the traffic.',
      examples: [
        ['dlv remote add origin /mnt/team/mnist.dlv', 'names a folder; the first push makes it'],
        [
          "dlv remote add origin 's3://models/mnist?endpoint=https://minio.example.org'",
          'names a bucket of a store that is not Amazon',
        ],
        ['dlv remote -v', 'the remotes and their addresses'],
        ['dlv remote show origin', 'what it has now, and which branches here follow it'],
        [
          'dlv remote rename origin team',
          'gives it another name; branches that follow it go with it',
        ],
        ['dlv remote remove team', 'forgets it, and where its branches were seen'],
      ],
      json: EXAMPLE,
      exitCodes: {
        1: 'no such remote, it exists already, or (show) it cannot be reached',
        12: '(show) packs that it lists are missing',
      },
    })
    .argument('[action]', 'add, remove, rename, set-url, get-url, show or list (default)')
    .argument('[names...]', 'what the action takes')
    .option('-v, --verbose', 'show addresses, too')
    .action(
      cli.action(async (run, given: string | undefined, names: string[], flags: Flags) => {
        const action = actionOf(given, names);
        const operands = OPERANDS[action];
        if (operands === undefined) {
          throw new UsageError(`there is no action '${given}' of dlv remote`, {
            hint: ELSEWHERE[action] ?? `use one of ${Object.keys(OPERANDS).join(', ')}`,
          });
        }
        if (names.length !== operands.length) {
          const usage = [`dlv remote ${action}`, ...operands.map((name) => `<${name}>`)].join(' ');
          throw new UsageError(`dlv remote ${action} takes ${operands.length} names`, {
            hint: `write ${usage}`,
          });
        }
        if (action === 'show') return describe(run, names[0] as string);
        if (action === 'list') await list(run, null, flags.verbose === true);
        else if (action === 'get-url') await list(run, names[0] as string, true);
        else await change(run, action, names);
        return 0;
      }),
    );
}
