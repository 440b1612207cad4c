/** `dlv remote` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { RemoteChange, RemoteEntry } from '../../use/ops/remote.js';
import { formatTable } from '../output/table.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  verbose?: boolean;
}

const EXAMPLE: RemoteEntry[] = [{ name: 'origin', url: '/mnt/team/mnist.dlv' }];

/** Names that each action takes, as the usage line says them. */
const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  list: [],
  add: ['name', 'url'],
  remove: ['name'],
  rename: ['old', 'new'],
  'set-url': ['name', 'url'],
  'get-url': ['name'],
};

const OTHER_NAMES: Readonly<Record<string, string>> = { rm: 'remove', show: 'list' };

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
  run.answer(result, (ui) => {
    const { name, url, before } = result;
    const was = before === null || before === name ? '' : `, was '${before}'`;
    ui.note(`${result.action} '${name}' (${url})${was}`);
  });
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
        'AWS_PROFILE, and are never stored. Actions are add <name> <url>, remove <name>, rename <old> <new>, set-url <name> <url> ' +
        'and get-url <name>. A folder is stored with its full path. With --json, a change prints an object with ' +
        'action, name, url and before.',
      examples: [
        ['dlv remote add origin /mnt/team/mnist.dlv', 'names a folder; the first push makes it'],
        [
          "dlv remote add origin 's3://models/mnist?endpoint=https://minio.example.org'",
          'names a bucket of a store that is not Amazon',
        ],
        ['dlv remote -v', 'the remotes and their addresses'],
        [
          'dlv remote rename origin team',
          'gives it another name; branches that follow it go with it',
        ],
        ['dlv remote remove team', 'forgets it, and where its branches were seen'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such remote, or it exists already' },
    })
    .argument('[action]', 'add, remove, rename, set-url, get-url or list (default)')
    .argument('[names...]', 'what the action takes')
    .option('-v, --verbose', 'show addresses, too')
    .action(
      cli.action(async (run, given: string | undefined, names: string[], flags: Flags) => {
        const action = OTHER_NAMES[given ?? 'list'] ?? given ?? 'list';
        const operands = OPERANDS[action];
        if (operands === undefined) {
          throw new UsageError(`there is no action '${given}' of dlv remote`, {
            hint: `use one of ${Object.keys(OPERANDS).join(', ')}`,
          });
        }
        if (given === 'show' && names.length > 0) {
          throw new UsageError('dlv remote shows all remotes, and none by its name', {
            hint: "'dlv branch -r' lists branches of remotes, 'dlv branch -vv' which are followed, 'dlv remote get-url <name>' prints an address",
          });
        }
        if (names.length !== operands.length) {
          const usage = [`dlv remote ${action}`, ...operands.map((name) => `<${name}>`)].join(' ');
          throw new UsageError(`dlv remote ${action} takes ${operands.length} names`, {
            hint: `write ${usage}`,
          });
        }
        if (action === 'list') await list(run, null, flags.verbose === true);
        else if (action === 'get-url') await list(run, names[0] as string, true);
        else await change(run, action, names);
        return 0;
      }),
    );
}
