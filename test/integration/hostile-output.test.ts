/**
 * What strangers named never steers the terminal: every command runs over a repository whose names,
 * messages, values and errors hold controls, bidirectional marks, tags and invisible characters.
 *
 * Commands run in this process, as text, as text in colour and as JSON, which must mean the exact
 * strings. A command that is not among the runs fails the last test.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { COMMANDS } from '../../lib/cli/commands/index.js';
import { findVerb, runCli } from '../../lib/cli/main.js';
import { keepCalibration } from '../helpers/calibration.js';
import { hasRuntime, linearNetwork } from '../helpers/linear-network.js';
import { nudge, randomTensors, safetensors } from '../helpers/safetensors.js';
import { tempDir } from '../helpers/temp-dir.js';

/** What paths, names of refs and one-line texts can hold. */
const HIDDEN = 'a\u202eb\u2066c\u200bd\u{e0041}e\u2028f\u00adg\u115fh\ufe0fi\u061cj';
/** What free texts can hold as well. */
const STEERING = `${HIDDEN}\x1b]0;title\x07\x1b[35mpink\x9b2J\r\x08`;
const FILE = `${HIDDEN}.safetensors`;
const NETWORK = `n${HIDDEN}.onnx`;
const TABLE = `t${HIDDEN}.csv`;
const MODEL = `m${HIDDEN}`;
const TENSOR = `w${STEERING}\nx`;

/** Ranges of what may steer or hide, from the tables of Unicode; not made as the command makes its own. */
const UNSAFE: readonly [first: number, last: number][] = [
  [0x00, 0x09],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x600, 0x605],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x2800, 0x2800],
  [0x3164, 0x3164],
  [0xd800, 0xdfff],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0xe0000, 0xe0fff],
];

function unsafeIn(text: string): string[] {
  return [...text].filter((char) => {
    const code = char.codePointAt(0) as number;
    return UNSAFE.some(([first, last]) => code >= first && code <= last);
  });
}

interface Ran {
  code: number;
  out: string;
  err: string;
}

/** What `dlv batch` is asked for. */
async function* requests(): AsyncGenerator<Uint8Array> {
  for (const [id, args] of [['log'], ['show'], ['show', STEERING], [STEERING]].entries()) {
    const [op, ...rest] = args;
    yield Buffer.from(`${JSON.stringify({ id, op, args: rest })}\n`);
  }
}

async function run(cwd: string, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> {
  const texts = { out: '', err: '' };
  const stream = (name: 'out' | 'err') => ({
    write: (chunk: string | Uint8Array) => {
      texts[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    },
    once: () => {},
    closed: false,
    isTTY: false,
    columns: 80,
  });
  const code = await runCli({
    stdout: stream('out'),
    stderr: stream('err'),
    env,
    cwd,
    argv,
    signal: new AbortController().signal,
    stdin: requests(),
  });
  return { code, ...texts };
}

/** A command line and what it is expected to end with; `raw`: its stdout is bytes of a file. */
type Line = [code: number, argv: string[], raw?: 'raw'];

/** Runs that build the repository and show it, in order. */
const WORK: Line[] = [
  [0, ['init', '--model', MODEL, '--branch', `b${HIDDEN}`]],
  [0, ['add', '.', '--step', '3']],
  [0, ['status']],
  [0, ['commit', '-m', `one ${STEERING}\nand ${STEERING}`, '--param', `p${HIDDEN}=${STEERING}`]],
  [0, ['tag', `t${HIDDEN}`]],
];
const MORE: Line[] = [
  [0, ['status']],
  [0, ['diff']],
  [0, ['add', '.']],
  [0, ['commit', '-m', STEERING, '--metric', `x${HIDDEN}=1`, '--log', `${HIDDEN}.log`]],
  [0, ['log']],
  [0, ['log', '--graph', '--oneline', '--all']],
  [0, ['list']],
  [0, ['show']],
  [0, ['show', `HEAD:${FILE}`]],
  [0, ['desc']],
  [0, ['desc', '--html', '-']],
  [0, ['list', '--versions', '--curves']],
  [0, ['query', 'select m, m.message, m.name from m', '--explain']],
  [0, ['query', 'select m, m["**"].name as layers from m', '--csv']],
  [0, ['log', '--curves', '--html', '-']],
  // Without the optional package that runs networks it ends with an error, which is shown too.
  [hasRuntime() ? 0 : 1, ['eval', 'HEAD~1', 'HEAD', '--data', TABLE, '--labels', `${TABLE}#y`]],
  [hasRuntime() ? 0 : 1, ['eval', '--progressive', '--data', TABLE, '--labels', `${TABLE}#y`]],
  [0, ['diff', 'HEAD~1', 'HEAD', '--all']],
  [0, ['diff', 'HEAD~1', 'HEAD', `t${HIDDEN}`, '--graph', '--all']],
  [0, ['diff', 'HEAD~1', 'HEAD', `t${HIDDEN}`, '--md']],
  [0, ['diff', 'HEAD~1', 'HEAD', '--csv', '--all']],
  [0, ['desc', '--weights', '--all']],
  [0, ['cat', `HEAD:${FILE}#${TENSOR}`, '--format', 'npy'], 'raw'],
  [0, ['branch', `other${HIDDEN}`]],
  [0, ['branch']],
  [0, ['tag']],
  [0, ['switch', `other${HIDDEN}`]],
  [0, ['checkout', 'HEAD~1']],
  [0, ['switch', `b${HIDDEN}`]],
  [0, ['remote', 'add', `r${HIDDEN}`, `../remote${HIDDEN}.dlv`]],
  [0, ['push', '-u', `r${HIDDEN}`, `b${HIDDEN}`, `t${HIDDEN}`]],
  [0, ['remote', '-v']],
  [0, ['fetch', '-v']],
  [0, ['pull']],
  [0, ['detach', '--planes', '2', '--dry-run', '-v']],
  [0, ['branch', '-vv']],
  [0, ['branch', '-r']],
  [0, ['clone', `../remote${HIDDEN}.dlv`, `../clone${HIDDEN}`]],
  [0, ['checkout', 'HEAD', '--out', `out${HIDDEN}`]],
  [0, ['reset', '--soft', 'HEAD~1']],
  [0, ['reset', '--soft', `other${HIDDEN}`]],
  [0, ['copy', 'HEAD', `copy${HIDDEN}`]],
  [0, ['du', '--paths']],
  [0, ['config', '--user', 'user.name', HIDDEN]],
  [0, ['config', '--list']],
  [0, ['archive', '--yes', '--budget', '2', '--measure', '0']],
  [0, ['archive', '--tier', 'bf16', '--dry-run', 'HEAD~1']],
  [0, ['bench', '--time-limit', '600']],
  [1, ['keep', '--last', '1']],
  [0, ['keep', '--versions', 'last 1', '--dry-run']],
  [2, ['keep', '--versions', `last ${HIDDEN}`]],
  [0, ['reflog']],
  [0, ['mv', '-n', `${HIDDEN}.txt`, `moved${HIDDEN}.txt`]],
  [0, ['model', 'rename', `copy${HIDDEN}`, `renamed${HIDDEN}`]],
  [0, ['model', 'delete', '--force', `renamed${HIDDEN}`]],
  [0, ['forget', '--dry-run', '--path', FILE]],
  [0, ['revert', '--dry-run', 'HEAD']],
  [0, ['merge', '--dry-run', `other${HIDDEN}`]],
  [0, ['gc']],
  [0, ['batch']],
  [0, ['completion', 'bash']],
  [0, ['ui', '--no-open', '--idle-exit', '0.1']],
  [1, ['import', '.', '--as', 'git', '--model', `git${HIDDEN}`]],
  [
    0,
    [
      'run',
      '--name',
      `run${HIDDEN}`,
      '--param',
      `q${HIDDEN}=1`,
      '--',
      process.execPath,
      '-e',
      `console.log(${JSON.stringify(STEERING)})`,
    ],
    'raw',
  ],
  [0, ['run', 'list']],
  [0, ['export', '--all', '-o', `../x${HIDDEN}.dlv`]],
  [0, ['import', `../x${HIDDEN}.dlv`]],
  [0, ['import', '--list', `../x${HIDDEN}.dlv`]],
  [0, ['fsck']],
  [0, ['fsck', '--rebuild']],
  [0, ['rm', '--cached', `${HIDDEN}.txt`]],
  [0, ['stash', '-m', STEERING]],
  [0, ['stash', 'list']],
  [0, ['stash', 'pop']],
  [0, ['restore', '--staged', `${HIDDEN}.txt`]],
  [0, ['rm', '--cached', '-f', `${HIDDEN}.txt`]],
  [0, ['restore', '--staged', `${HIDDEN}.txt`]],
];
/** Mistakes, whose messages repeat what was written. */
const MISTAKES: Line[] = [
  [2, [STEERING]],
  [2, ['status', `--${STEERING}`]],
  [1, ['-C', STEERING, 'status']],
  [2, ['init', '--model', `/${STEERING}`]],
  [1, ['add', `no${HIDDEN}`]],
  [1, ['add', STEERING]],
  [2, ['add', `${HIDDEN}\x07`]],
  [1, ['rm', `no${HIDDEN}`]],
  [1, ['restore', `no${HIDDEN}`]],
  [1, ['commit', '-m', 'x', '--model', `no${HIDDEN}`]],
  [2, ['commit', '-m', 'x', '--metric', STEERING]],
  [1, ['list', '--model', `no${HIDDEN}`]],
  [1, ['log', `no${HIDDEN}`]],
  [1, ['show', STEERING]],
  [1, ['desc', STEERING]],
  [1, ['eval', STEERING, '--data', STEERING, '--labels', `no${HIDDEN}`]],
  [2, ['query', STEERING]],
  [1, ['query', `select m where m derived from "${STEERING}"`]],
  [1, ['query', '--named', STEERING]],
  [2, ['query', `construct a as INPUT(3) -> RELU("${STEERING}") -> RELU("${STEERING}")`]],
  [2, ['query', 'construct a as INPUT(3) -> RELU', '--model', STEERING]],
  [1, ['query', `evaluate t from "a@1" with config = "${STEERING}" keep top(1, t["loss"], 1)`]],
  [
    1,
    ['query', `evaluate t from "a@1" with config = "config.json" keep top(1, t["${STEERING}"], 1)`],
  ],
  [1, ['diff', STEERING]],
  [1, ['cat', `HEAD:${STEERING}`]],
  [1, ['checkout', STEERING]],
  [1, ['switch', `no${HIDDEN}`]],
  [1, ['branch', '-d', `no${HIDDEN}`]],
  [1, ['tag', '-d', `no${HIDDEN}`]],
  [1, ['keep', '--last', '1', `no${HIDDEN}`]],
  [1, ['reflog', `no${HIDDEN}`]],
  [2, ['stash', STEERING]],
  [1, ['mv', `no${HIDDEN}`, 'x']],
  [1, ['model', 'rename', `no${HIDDEN}`, 'x']],
  [1, ['forget', '--path', `no${HIDDEN}`]],
  [1, ['revert', STEERING]],
  [1, ['merge', STEERING]],
  [1, ['merge', '--lora', `:no${HIDDEN}`]],
  [1, ['reset', STEERING]],
  [1, ['copy', STEERING, 'x']],
  [1, ['du', STEERING]],
  [2, ['archive', '--budget', STEERING]],
  [2, ['bench', '--budgets', STEERING]],
  [1, ['remote', 'remove', `no${HIDDEN}`]],
  [1, ['push', `no${HIDDEN}`]],
  [1, ['fetch', `no${HIDDEN}`]],
  [1, ['pull', `no${HIDDEN}`]],
  [1, ['clone', STEERING, 'x']],
  [1, ['clone', STEERING, 'x', '--only', STEERING, '--model', STEERING]],
  [2, ['clone', 'x', 'y', '--depth', STEERING]],
  [1, ['detach', '--planes', '2', '--to', `no${HIDDEN}`]],
  [2, ['fetch', '--planes', STEERING]],
  [2, ['gc', STEERING]],
  [2, ['batch', STEERING]],
  [2, ['completion', STEERING]],
  [2, ['ui', '--port', STEERING]],
  [1, ['run', 'show', STEERING]],
  [1, ['import', STEERING]],
  [1, ['export', STEERING, '-o', `x${HIDDEN}.dlv`]],
  [0, ['export', '--all', '-o', STEERING]],
  [2, ['fsck', STEERING]],
  [1, ['config', STEERING]],
];

/** Attributes that the command itself uses; the hostile texts have others. */
const OWN_ATTRIBUTES = /\x1b\[(?:1|2|22|31|32|33|36|39)m/g;

for (const [mode, env] of [
  ['text', { NO_COLOR: '1' }],
  ['text with a stack', { NO_COLOR: '1', DLV_DEBUG: '1' }],
  ['colour', { FORCE_COLOR: '1' }],
  ['json', { NO_COLOR: '1' }],
] as [mode: string, env: Record<string, string>][]) {
  test.serial(`output: no command lets a name steer the terminal, as ${mode}`, async (t) => {
    process.env.DLV_AUTHOR_NAME = `Author ${HIDDEN}`;
    process.env.DLV_AUTHOR_EMAIL = `${HIDDEN}@example.org`;
    const dir = await tempDir(t);
    process.env.DLV_CONFIG = path.join(dir, 'config');
    const cwd = path.join(dir, `net${HIDDEN}`);
    await fs.mkdir(cwd);
    const tensors = randomTensors({ [TENSOR]: [64, 128], bias: [4] }, 1);
    const file = (name: string): string => path.join(cwd, name);
    const write = async (step: number): Promise<void> => {
      await fs.writeFile(file(FILE), safetensors(nudge(tensors, 1e-3 * step, step)));
      await fs.writeFile(file(`${HIDDEN}.txt`), `${step}`.repeat(step));
    };
    await write(1);
    await fs.writeFile(file(`${HIDDEN}.log`), 'log');
    await fs.writeFile(file(NETWORK), linearNetwork({ weights: [[1, 0]], bias: [0, 1] }));
    await fs.writeFile(file(TABLE), 'x,y\n1,0\n2,1\n');
    await fs.symlink(HIDDEN, file(`link${HIDDEN}`));
    const texts: string[] = [];
    const check = async ([code, argv, raw]: Line): Promise<void> => {
      const isJson = mode === 'json' && raw === undefined;
      const ran = await run(cwd, isJson ? ['--json', ...argv] : argv, env);
      const shown = JSON.stringify(argv);
      t.is(ran.code, code, `${shown}: ${ran.out}${ran.err}`);
      for (const text of raw === undefined ? [ran.out, ran.err] : [ran.err]) {
        const left = mode === 'colour' ? text.replace(OWN_ATTRIBUTES, '') : text;
        t.deepEqual(unsafeIn(left), [], `${shown}: ${JSON.stringify(text)}`);
      }
      if (isJson) texts.push(JSON.stringify(JSON.parse(ran.out)));
    };
    for (const line of WORK) await check(line);
    await keepCalibration(cwd);
    await write(2);
    // A stack belongs to an error, so there is more to see of mistakes alone.
    for (const line of env.DLV_DEBUG === undefined ? MORE : []) await check(line);
    for (const line of MISTAKES) await check(line);
    if (mode !== 'json') return;
    const all = texts.join('');
    for (const exact of [FILE, MODEL, TENSOR, STEERING, `x${HIDDEN}`, `Author ${HIDDEN}`]) {
      t.true(all.includes(JSON.stringify(exact).slice(1, -1)), JSON.stringify(exact));
    }
  });
}

test('output: every command is among the runs, right and wrong', (t) => {
  const verbs = (lines: readonly Line[]) => new Set(lines.map(([, argv]) => findVerb(argv)));
  const names = COMMANDS.map(({ name }) => name);
  t.deepEqual(
    names.filter((name) => !verbs([...WORK, ...MORE]).has(name)),
    [],
  );
  t.deepEqual(
    names.filter((name) => !verbs(MISTAKES).has(name)),
    [],
  );
});
