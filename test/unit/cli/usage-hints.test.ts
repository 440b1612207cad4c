/** Hints for words of git and DVC, abbreviations and typos. */
import test from 'ava';
import { COMMANDS } from '../../../lib/cli/commands/index.js';
import { declaredCommands } from '../../../lib/cli/docs.js';
import {
  FLAGS_ELSEWHERE,
  FLAGS_EVERYWHERE,
  SHORT_NAMES,
  VERBS_ELSEWHERE,
} from '../../../lib/cli/elsewhere.js';
import { TOPICS } from '../../../lib/cli/topics.js';
import { folderFlagHint, usageHint } from '../../../lib/cli/usage-hints.js';

const NAMES = COMMANDS.map(({ name }) => name);

test('hints: the tables hold nothing that dlv has', async (t) => {
  const declared = await declaredCommands();
  t.deepEqual(
    NAMES.filter((name) => name in VERBS_ELSEWHERE || name in SHORT_NAMES),
    [],
  );
  for (const name of Object.values(SHORT_NAMES)) t.true(NAMES.includes(name), name);
  for (const [verb, flags] of Object.entries(FLAGS_ELSEWHERE)) {
    const { command } = declared.find(({ name }) => name === verb) ?? t.fail(verb);
    const own = command.options.flatMap(({ short, long }) => [short, long]);
    t.deepEqual(
      Object.keys(flags).filter((flag) => own.includes(flag)),
      [],
      verb,
    );
  }
});

test('hints: -v before a command is the version of other programs', (t) => {
  t.regex(usageHint("unknown option '-v'", NAMES, null) ?? '', /dlv --version/);
  t.is(usageHint("unknown option '-x'", NAMES, null), null);
});

test('hints: what they tell to run is understood', async (t) => {
  const declared = await declaredCommands();
  const hints = [
    ...Object.values(VERBS_ELSEWHERE),
    ...Object.values(FLAGS_EVERYWHERE),
    ...Object.values(FLAGS_ELSEWHERE).flatMap((table) => Object.values(table)),
  ];
  for (const hint of hints) {
    for (const [, line] of hint.matchAll(/'dlv ([^']+)'/g)) {
      const [verb, ...words] = (line as string).split(' ');
      if (verb?.startsWith('-')) continue;
      if (verb === 'help' && Object.hasOwn(TOPICS, words[0] as string)) continue;
      const command = declared.find(({ name }) => name === verb)?.command;
      if (command === undefined) return t.fail(hint);
      const own = command.options.flatMap(({ short, long }) => [short, long]);
      for (const word of words) {
        if (/^--?\w/.test(word))
          t.true(own.includes(word.replace(/=.*/, '')), `${word} in ${hint}`);
      }
    }
  }
});

test('hints: flags that some commands lack are given by no other under that name alone', async (t) => {
  const globals = (await declaredCommands())[0]?.command.parent?.options ?? [];
  const own = globals.flatMap(({ short, long }) => [short, long]);
  t.deepEqual(
    Object.keys(FLAGS_EVERYWHERE).filter((flag) => own.includes(flag)),
    [],
  );
});

test('hints: commands', (t) => {
  const hint = (verb: string): string | null => {
    return usageHint(`unknown command '${verb}'`, NAMES, null);
  };
  t.regex(hint('bisect') ?? '', /dlv checkout/);
  t.regex(hint('rebase') ?? '', /dlv reset --soft/);
  t.is(hint('ci'), 'did you mean commit?');
  t.is(hint('stat'), 'did you mean status?');
  t.is(hint('che'), 'did you mean checkout?');
  t.is(hint('re'), 'did you mean restore or reflog or reset or revert or remote?');
  t.is(hint('constructor'), null);
  t.is(hint('comit'), null);
});

test('hints: flags', async (t) => {
  const declared = await declaredCommands();
  const hint = (verb: string, flag: string): string | null => {
    const command = declared.find(({ name }) => name === verb)?.command ?? null;
    return usageHint(`unknown option '${flag}'`, NAMES, command);
  };
  t.regex(hint('add', '--patch') ?? '', /staged whole/);
  t.is(hint('log', '--onel'), 'did you mean --oneline?');
  t.is(hint('log', '--onel=x'), 'did you mean --oneline?');
  t.is(hint('log', '--zzz'), null);
  t.regex(hint('log', '--no-pager') ?? '', /no pager/);
  t.regex(hint('diff', '--color=always') ?? '', /FORCE_COLOR/);
  // What a command says of its own comes first.
  t.regex(hint('tag', '-v') ?? '', /signs nothing/);
  t.regex(hint('list', '-v') ?? '', /dlv show/);
  t.regex(hint('desc', '-v') ?? '', /--verbose/);
  t.regex(hint('branch', '-M') ?? '', /dlv branch -m/);
  t.regex(hint('branch', '--sort=-time') ?? '', /dlv branch --json/);
  t.regex(folderFlagHint('switch', ['switch', '-C', 'foo']) ?? '', /dlv switch -c/);
  t.is(folderFlagHint('switch', ['-C', 'foo', 'switch']), null);
  t.is(folderFlagHint('log', ['log', '-C', 'foo']), null);
  t.is(usageHint('too many arguments', NAMES, null), null);
});

test('hints: words of git that were answered with a guess', async (t) => {
  const declared = await declaredCommands();
  for (const verb of ['rev-parse', 'compare', 'track', 'grep', 'ls-remote', 'search']) {
    t.regex(usageHint(`unknown command '${verb}'`, NAMES, null) ?? '', /'dlv /, verb);
  }
  for (const [verb, flag] of [
    ['clone', '--bare'],
    ['clone', '--filter'],
    ['fetch', '--deepen'],
    ['pull', '--rebase'],
  ] as const) {
    const command = declared.find(({ name }) => name === verb)?.command ?? null;
    t.truthy(usageHint(`unknown option '${flag}'`, NAMES, command), `${verb} ${flag}`);
  }
});
