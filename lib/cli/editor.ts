/** Texts that a person writes in an editor where no flag gives them: which editor, when, and what is taken of the text. */
import { spawn } from 'node:child_process';
import { UsageError } from '../base/errors.js';
import type { Run } from './run.js';

/** The editor that every system has. */
const USUAL_EDITOR = 'vi';
/** The exit code of a shell that finds no such program. */
const NO_PROGRAM = 127;
const INSTEAD = 'give the message with -m <text> or -F <file>';

/**
 * The command of the editor, in git's order: the setting core.editor, VISUAL, EDITOR, vi; null where there is none
 * that this terminal can show.
 */
export function editorOf(env: NodeJS.ProcessEnv, setting: string | null): string | null {
  const isDumb = env.TERM === undefined || env.TERM === 'dumb';
  const full = isDumb ? undefined : env.VISUAL;
  const usual = isDumb ? null : USUAL_EDITOR;
  return [setting, full, env.EDITOR].find((one) => one) ?? usual;
}

/** True if somebody sits at a terminal that an editor can use. */
export function canEdit({ host, ui }: Run): boolean {
  const isTerminal = host.stdout.isTTY === true && host.stderr.isTTY === true;
  return isTerminal && process.stdin.isTTY === true && !ui.json && host.asker === undefined;
}

/** Lines that begin with '#', for people alone. */
export function asComment(lines: readonly string[]): string {
  return lines.map((line) => `${line === '' ? '#' : `# ${line}`}\n`).join('');
}

/** What is left of a text without comments, space at the ends of lines, and empty lines at its ends or one after another. */
export function withoutComments(text: string): string {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith('#'));
  const trimmed = lines.map((line) => line.trimEnd()).join('\n');
  return trimmed.replace(/^\n+|\n+$/g, '').replace(/\n{3,}/g, '\n\n');
}

/**
 * Has a person write a message, and hands it on. If what is done with it fails, the text stays where it was written.
 * @param comment  lines below the message that say what it is for.
 * @param setting  core.editor. @throws {UsageError} if the editor fails or the message is empty, and as `use`.
 */
export async function withWritten<T>(
  run: Run,
  { comment, setting }: { comment: readonly string[]; setting: string | null },
  use: (message: string) => Promise<T>,
): Promise<T> {
  const editor = editorOf(run.env, setting);
  if (editor === null) {
    throw new UsageError('no message is given, and this terminal has no editor', { hint: INSTEAD });
  }
  const { draftMessage } = await import('../use/worktree/message-file.js');
  const start = `\n${asComment([
    'Write the message above. Lines that begin with # are left out; an empty message stops here.',
    '',
    ...comment,
  ])}`;
  const edit = async (file: string): Promise<void> => openEditor(run, editor, file);
  const draft = await draftMessage(start, edit);
  const message = withoutComments(draft.text);
  if (message === '') {
    await draft.remove();
    throw new UsageError('the message is empty: nothing was done', { hint: INSTEAD });
  }
  let isUsed = false;
  try {
    const result = await use(message);
    isUsed = true;
    return result;
  } finally {
    if (isUsed) await draft.remove();
    else run.context.warn(`your message is in '${draft.file}': give it again with -F`, 'last');
  }
}

/** Runs the editor on a file until it ends. Signals are the editor's meanwhile, as its keys are. */
async function openEditor(run: Run, editor: string, file: string): Promise<void> {
  run.context.progress.finish();
  const giveBack = run.host.takeSignals?.(() => {});
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      // As git does: the command may have words of its own.
      const words = ['-c', `${editor} "$@"`, editor, file];
      const child = spawn('/bin/sh', words, {
        stdio: 'inherit',
        cwd: run.context.cwd,
        env: run.env,
      });
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0) return;
    const why = code === NO_PROGRAM ? 'was not found' : `ended with ${code ?? 'a signal'}`;
    throw new UsageError(`the editor '${editor}' ${why}: nothing was done`, {
      hint: `${INSTEAD}, or choose an editor: dlv config --user core.editor <command>`,
    });
  } finally {
    giveBack?.();
  }
}
