/**
 * Makes docs/cli.md from the help of the commands.
 *
 * `node dist/lib/cli/docs.js` writes it; a test keeps it equal to the commands.
 */

import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { pushAll } from '../base/bytes/many.js';
import { COMMANDS } from './commands/index.js';
import { FLAGS_ELSEWHERE, FLAGS_EVERYWHERE, VERBS_ELSEWHERE } from './elsewhere.js';
import { EXIT_CODES } from './exit-codes.js';
import { GLOBAL_OPTIONS } from './flags.js';
import { buildProgram } from './main.js';
import type { Stdio } from './output/stdio.js';
import { Cli, type CommandHelp, withWarnings } from './run.js';

const INTRO = `# The command

Made from the commands by \`node dist/lib/cli/docs.js\`; do not edit.

Every command prints its result on stdout, and progress and notes on stderr. With \`-q\` a command that changes
something prints nothing if it succeeds; what you asked to see, such as a list or what \`--dry-run\` would do, is
printed as ever, and so are warnings and errors. With \`--json\`, stdout holds one
JSON document and nothing else; the documents below are examples, and their members are stable. Ids are
written in full: 64 hex digits. Sizes are in bytes, times in ISO 8601, durations in seconds.

With \`--json\`, every command prints each warning as a line \`{"warning":"…"}\` on stderr; no other line there
begins with \`{\`. Every document that is an object, errors included, also has \`warnings\`: the same sentences,
or an empty list. Commands that print a list (\`log\`, \`list\`, \`branch\`, \`tag\`, \`config --list\`) print only the
list ([why](decisions/0012-warnings-of-lists.md)). Help is a document, too: \`dlv help --json\` has all commands and
topics, \`dlv commit --help --json\` what a command takes.

A *revision* is a version id or at least four of its first digits, \`HEAD\`, a branch, \`model/branch\`, a
tag, a model (its current branch), \`model@n\` (the version that was given the number n in its model),
\`model/branch@n\` (the one in the history of that branch), or any of them followed by \`~n\` (n first parents
up), \`^n\` (the n-th parent) or \`@{n}\` (what a ref named n moves ago). A number names one version for
good ([how](decisions/0015-numbers-that-stay.md)): in a document, \`name\` is the revision to write down.

Colour is used on a terminal unless \`NO_COLOR\` is set. \`DLV_DEBUG=1\` shows where an error comes from;
\`DLV_AUTHOR_NAME\`, \`DLV_AUTHOR_EMAIL\` and \`DLV_DATE\` set the author and time of a version, and \`DLV_BRANCH\`
the branch that \`add\` and \`commit\` work on. \`DLV_KERNEL\` selects the codec's kernel: \`native\`, \`portable\`
(without SIMD) or \`wasm\`.
`;

const SILENT: Stdio = { write: () => true, once: () => {}, closed: false };

/** Every command and what it says of itself, in the order of the table. */
export async function declaredCommands(): Promise<
  { name: string; command: Command; help: CommandHelp }[]
> {
  const { signal } = new AbortController();
  const host = { stdout: SILENT, stderr: SILENT, env: {}, cwd: '.', argv: [], signal };
  const cli = new Cli(host);
  await buildProgram(cli, ['help']);
  return [...cli.declared].map(([command, help]) => ({ name: command.name(), command, help }));
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}

function optionRows(options: readonly Option[]): string[][] {
  return options.map(({ flags, description, argChoices }) => [
    `\`${flags}\``,
    argChoices ? `${description}: ${argChoices.join(', ')}` : description,
  ]);
}

function exitCodeRows(codes: Readonly<Record<number, string>>): string[][] {
  return Object.entries(codes).map(([code, what]) => [code, what]);
}

function section(name: string, command: Command, help: CommandHelp): string[] {
  const lines = [`## dlv ${name}`, '', `${capital(help.summary)}.`, ''];
  lines.push('```', `dlv ${name} ${command.usage()}`, '```', '');
  if (help.about) lines.push(help.about, '');
  const operands = command.registeredArguments.map((argument): [string, string] => {
    const brackets = argument.required ? ['<', '>'] : ['[', ']'];
    const dots = argument.variadic ? '...' : '';
    return [`\`${brackets[0]}${argument.name()}${dots}${brackets[1]}\``, argument.description];
  });
  const own = command.options.filter(
    ({ helpGroupHeading, hidden }) => helpGroupHeading !== GLOBAL_OPTIONS && !hidden,
  );
  const rows = [...operands, ...optionRows(own)];
  if (rows.length > 0) pushAll(lines, table(['operand or flag', 'what it does'], rows));
  lines.push('```sh');
  for (const [line, does] of help.examples) lines.push(`# ${does}`, line);
  lines.push('```', '');
  if (help.json !== undefined) {
    lines.push(
      '`--json`:',
      '',
      '```json',
      JSON.stringify(withWarnings(help.json, []), null, 2),
      '```',
      '',
    );
  }
  if (help.exitCodes) pushAll(lines, table(['exit code', 'here'], exitCodeRows(help.exitCodes)));
  return lines;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** What people type who come from git or DVC. */
function elsewhere(): string[] {
  const verbs = Object.entries(VERBS_ELSEWHERE).map(([verb, hint]) => [`\`${verb}\``, hint]);
  const everywhere = Object.entries(FLAGS_EVERYWHERE).map(([flag, hint]) => [`\`${flag}\``, hint]);
  const flags = Object.entries(FLAGS_ELSEWHERE).flatMap(([verb, table]) => {
    return Object.entries(table).map(([flag, hint]) => [`\`${verb} ${flag}\``, hint]);
  });
  const intro = [
    '## Coming from git or DVC',
    '',
    'Commands and flags of git and DVC that dlv lacks end with exit code 2 and this hint:',
    '',
  ];
  return [...intro, ...table(['typed', 'what to do instead'], [...verbs, ...everywhere, ...flags])];
}

/** The text of docs/cli.md. */
export async function renderDocs(): Promise<string> {
  const declared = await declaredCommands();
  const lines = [INTRO, '## All commands', ''];
  const rows = COMMANDS.map(({ name, group }) => {
    const help = declared.find((command) => command.name === name)?.help;
    return [`[${name}](#dlv-${name})`, help?.summary ?? '', group.replace(/:$/, '')];
  });
  pushAll(lines, table(['command', 'does', 'for'], rows));
  const globals = declared[0]?.command.options.filter(
    (option) => option.helpGroupHeading === GLOBAL_OPTIONS,
  );
  lines.push('## Flags of every command', '', 'They may stand before the command, too.', '');
  pushAll(lines, table(['flag', 'what it does'], optionRows(globals ?? [])));
  lines.push('## Exit codes', '', ...table(['exit code', 'means'], exitCodeRows(EXIT_CODES)));
  lines.push(
    'An error is one line `dlv: <message>` on stderr and, where there is a remedy, a line `hint: <remedy>`.',
    'With `--json` it is a document on stdout; [errors.md](errors.md) lists the codes:',
    '',
    '```json',
    JSON.stringify(
      {
        error: {
          code: 'DLV_NOT_FOUND',
          message: "there is no version, branch, tag or model 'mian'",
          data: {
            kind: 'revision',
            name: 'mian',
            candidates: ['main'],
            hint: 'did you mean main?',
          },
        },
        warnings: [],
      },
      null,
      2,
    ),
    '```',
    '',
  );
  for (const { name, command, help } of declared) pushAll(lines, section(name, command, help));
  pushAll(lines, elsewhere());
  return `${lines.join('\n').trimEnd()}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(new URL('../../../docs/cli.md', import.meta.url), await renderDocs());
}
