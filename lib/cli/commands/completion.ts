/** `dlv completion` on the command line. */
import { Argument, type Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/scripts.js';
import type { Cli } from '../run.js';

interface CompletionResult {
  shell: Shell;
  /** What the shell has to read. */
  script: string;
}

const EXAMPLE: CompletionResult = { shell: 'bash', script: '# Completion of dlv for bash…' };

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'completion', {
      summary: 'print a script that completes command lines of dlv in a shell',
      about:
        'The script asks dlv for commands and their actions, flags, branches, tags, models, remotes, stashes, runs, saved ' +
        'queries and settings while you press the Tab key; paths are completed by the shell.',
      examples: [
        ['source <(dlv completion bash)', 'in ~/.bashrc'],
        ['source <(dlv completion zsh)', 'in ~/.zshrc, after compinit'],
        ['dlv completion fish | source', 'in ~/.config/fish/config.fish'],
      ],
      json: EXAMPLE,
    })
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS))
    .action(
      cli.action(async (run, shell: Shell) => {
        const result: CompletionResult = { shell, script: completionScript(shell) };
        run.answer(result, (ui) => {
          for (const line of result.script.trimEnd().split('\n')) ui.line(line);
        });
        return 0;
      }),
    );
}
