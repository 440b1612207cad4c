/**
 * What may be asked over HTTP: commands that only read, each with the flags that it may be given. A request is
 * turned into the command line that it stands for, so that the answer is what `dlv <command> --json` prints.
 *
 * Whatever is not listed is refused: no flag writes a file, runs a module or reaches a remote. A value is one
 * word with its flag (`--where=…`), so that no value becomes a flag.
 */
import { NotFoundError, UsageError } from '../../base/errors.js';

interface Readable {
  /** Flags without a value. */
  flags: readonly string[];
  /** Flags with a value; those that may be given several times are given so. */
  values: readonly string[];
  /** What operands are called in the address; null if there are none. */
  operand: string | null;
  /** Words that are always given. */
  always?: readonly string[];
  /** True if the answer depends on more than the state of the repository. */
  changes?: boolean;
  /** Lines of work: what is asked of one goes on beside the others. */
  line: WorkLine;
  /** What the answer holds as long as: nothing changes in the repository, or in its runs. */
  of?: 'repository' | 'runs';
}

export const WORK_LINES = ['lists', 'weights', 'sizes', 'runs'] as const;
export type WorkLine = (typeof WORK_LINES)[number];

const READABLE: Readonly<Record<string, Readable>> = {
  list: {
    flags: ['versions', 'curves', 'only-changed'],
    values: ['model', 'where', 'columns', 'sort', 'group', 'baseline', 'last', 'message'],
    ...{ operand: 'rev', line: 'lists' },
  },
  log: {
    flags: ['all', 'curves', 'graph', 'merges', 'no-merges', 'first-parent', 'reverse'],
    values: ['model', 'max-count', 'skip', 'since', 'until', 'grep', 'author'],
    ...{ operand: 'rev', line: 'lists' },
  },
  query: { flags: ['explain'], values: [], operand: 'q', line: 'lists' },
  status: { flags: [], values: ['model'], operand: null, changes: true, line: 'lists' },
  branch: { flags: ['all'], values: [], operand: null, line: 'lists' },
  tag: { flags: [], values: [], operand: null, line: 'lists' },
  show: { flags: [], values: [], operand: 'rev', line: 'weights' },
  desc: {
    flags: ['weights', 'nodes', 'exact', 'all'],
    values: ['batch', 'shape'],
    ...{ operand: 'rev', line: 'weights' },
  },
  diff: {
    flags: ['exact', 'rank', 'layers', 'only-changed', 'all'],
    values: ['baseline', 'sort', 'top'],
    ...{ operand: 'rev', line: 'weights' },
  },
  du: { flags: ['versions', 'paths'], values: ['model'], operand: 'rev', line: 'sizes' },
  eval: {
    flags: ['one-text'],
    values:
      'data labels tokenizer max-tokens stride start-token resize crop channels metric classes scale mean std layout network output task scores batch limit seed'.split(
        ' ',
      ),
    ...{ operand: 'rev', always: ['--no-record'], changes: true, line: 'weights' },
  },
  archive: {
    flags: ['all', 'weigh-reads', 'no-prefix'],
    values: ['budget', 'scheme', 'unit', 'planner', 'time-limit'],
    ...{ operand: 'rev', always: ['--dry-run', '--measure=0'], line: 'sizes' },
  },
  'run/list': { flags: [], values: ['last'], operand: null, line: 'runs', of: 'runs' },
  'run/show': { flags: ['thin'], values: [], operand: 'run', line: 'runs', of: 'runs' },
  'run/log': { flags: [], values: [], operand: 'run', line: 'runs', of: 'runs' },
};

/** Most operands and flags of one request. */
const WORDS_MAX = 64;

/** A request as a command line. */
export interface AskedLine {
  argv: string[];
  line: WorkLine;
  /** True if the answer holds as long as what it is of does not change. */
  keeps: boolean;
  of: 'repository' | 'runs';
}

/** @throws {NotFoundError} for a command that is not answered here; {UsageError} for a flag that is not. */
export function commandLine(command: string, asked: URLSearchParams): AskedLine {
  const readable = Object.hasOwn(READABLE, command) ? READABLE[command] : undefined;
  if (readable === undefined) {
    throw new NotFoundError(`the page may not ask for 'dlv ${command}'`, {
      kind: 'command',
      name: command,
      candidates: Object.keys(READABLE),
      hint: 'run it in a terminal',
    });
  }
  const {
    flags,
    values,
    operand,
    always = [],
    changes = false,
    line,
    of = 'repository',
  } = readable;
  const argv = [...command.split('/'), '--json', '--no-progress', '--no-fetch', ...always];
  const operands: string[] = [];
  for (const [name, value] of asked) {
    if (name === operand) operands.push(operandOf(command, value));
    else if (flags.includes(name)) argv.push(`--${name}`);
    else if (values.includes(name)) argv.push(`--${name}=${value}`);
    else {
      throw new UsageError(`the page may not give --${name} to 'dlv ${command}'`, {
        option: `--${name}`,
        hint: 'run it in a terminal',
      });
    }
  }
  if (argv.length + operands.length > WORDS_MAX) {
    throw new UsageError(`a request has at most ${WORDS_MAX} words`);
  }
  return { argv: [...argv, ...operands], line, keeps: !changes, of };
}

/** What is no flag. A query may begin with spaces, and always begins with a word. */
function operandOf(command: string, value: string): string {
  const text = command === 'query' ? value.trim() : value;
  if (text !== '' && !text.startsWith('-')) return text;
  const what = command === 'query' ? 'query' : command.startsWith('run/') ? 'run' : 'revision';
  throw new UsageError(`'${text}' is no ${what}`);
}
