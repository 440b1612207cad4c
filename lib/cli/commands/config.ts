/** `dlv config` on the command line. */
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import type { ConfigChange, ConfigEntry } from '../../use/ops/config.js';
import { formatTable } from '../output/table.js';
import type { Ui } from '../output/ui.js';
import type { Cli } from '../run.js';

interface Flags extends ConfigChange {
  list?: boolean;
  unset?: boolean;
}

const EXAMPLE: ConfigEntry = {
  key: 'user.name',
  value: 'Ada',
  origin: 'user',
  about: "author of versions; else git's user.name, else the system user",
};

function printList(ui: Ui, rows: readonly ConfigEntry[]): void {
  const table = rows.map(({ key, value, origin, about }) => [
    key,
    value === null ? '' : String(value),
    { text: origin, style: origin === 'default' ? ui.style.dim : ui.style.green },
    { text: about, style: ui.style.dim },
  ]);
  for (const line of formatTable([{}, {}, {}, {}], table)) ui.line(line);
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'config', {
      summary: 'show or change settings',
      about:
        'With a key, prints its value. With a key and a value, sets it in .dlv/config or, with ' +
        "--user, in your own settings file. The repository's value overrides the user's. " +
        'user.name, user.email and safe.* are read only from your own file, because a repository ' +
        'may come from a stranger; safe.config lists repositories that may set them too. With ' +
        '--json, --list prints an array of entries.',
      examples: [
        ['dlv config --list', 'all settings, their values, and where they come from'],
        ['dlv config chain.depth 5', 'limits chains of deltas in this repository to 5 links'],
        ['dlv config --user user.name Ada', 'sets the author of new versions in all repositories'],
        ['dlv config --unset chain.depth', 'removes the setting'],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'no such setting, or the value does not fit it' },
    })
    .argument('[key]', "name of the setting, as 'user.name'")
    .argument('[value]', 'its new value')
    .option('-l, --list', 'show all settings')
    .option('--unset', 'remove the setting')
    .option('--user', "change the user's file instead of the repository's")
    .action(
      cli.action(async (run, key: string | undefined, value: string | undefined, flags: Flags) => {
        const ops = await import('../../use/ops/config.js');
        if (flags.list || (key === undefined && !flags.unset)) {
          if (key !== undefined) throw new UsageError('--list takes no key');
          const rows = await ops.listConfig(run.context);
          run.answer(rows, (ui) => printList(ui, rows));
          return 0;
        }
        if (key === undefined) throw new UsageError('--unset needs a key');
        if (flags.unset) {
          if (value !== undefined) throw new UsageError('--unset takes no value');
          run.answer(await ops.unsetConfig(run.context, key, flags), () => {});
        } else if (value !== undefined) {
          run.answer(await ops.setConfig(run.context, key, value, flags), () => {});
        } else {
          const entry = await ops.getConfig(run.context, key);
          run.answer(entry, (ui) => ui.line(String(entry.value ?? '')));
          // As git: a setting without a value is a negative answer.
          return entry.value === null ? 1 : 0;
        }
        return 0;
      }),
    );
}
