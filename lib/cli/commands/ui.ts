/** `dlv ui` on the command line. */
import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { UsageError } from '../../base/errors.js';
import { parseCount } from '../arguments.js';
import type { Cli, Run } from '../run.js';

interface Flags {
  port?: string;
  open: boolean;
  idleExit?: string;
}

const EXAMPLE = {
  address: 'http://127.0.0.1:45731/#token=4BvQb1cZ8bq4k0yWlX0mJt2oGmRr3T9Yw6aVdN5sPzE',
  port: 45731,
};
const PORT_MAX = 65_535;

/** @throws {UsageError} */
function parsePort(text: string | undefined): number {
  if (text === undefined) return 0;
  const port = parseCount(text, '--port');
  if (port <= PORT_MAX) return port;
  throw new UsageError(`--port is ${text}, above ${PORT_MAX}`, { option: '--port' });
}

/** Milliseconds; for ever by default. @throws {UsageError} */
function parseIdle(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  const seconds = Number(text);
  if (text.trim() !== '' && seconds > 0) return 1000 * seconds;
  throw new UsageError(`--idle-exit is '${text}', not a number of seconds above 0`, {
    option: '--idle-exit',
  });
}

/** Shows the page in the user's browser, where there is one. Nothing depends on it. */
function openBrowser(address: string, env: NodeJS.ProcessEnv): boolean {
  const { platform } = process;
  const has = platform === 'darwin' || platform === 'win32' || env.DISPLAY || env.WAYLAND_DISPLAY;
  if (!has) return false;
  const [program, ...words]: [string, ...string[]] =
    platform === 'darwin'
      ? ['open', address]
      : platform === 'win32'
        ? ['cmd', '/c', 'start', '', address]
        : ['xdg-open', address];
  const child = spawn(program, words, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
  return true;
}

/** Resolves when the user ends the server, or nobody has asked it for long enough. */
function ended(signal: AbortSignal | undefined, isIdle: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (isIdle()) end();
    }, 100);
    const end = (): void => {
      clearInterval(timer);
      resolve();
    };
    if (signal?.aborted) end();
    else signal?.addEventListener('abort', end, { once: true });
  });
}

async function serve(run: Run, flags: Flags): Promise<number> {
  const { context, ui, env } = run;
  const port = parsePort(flags.port);
  const idleMs = parseIdle(flags.idleExit);
  const { readAsset, stateOf, uiRepository } = await import('../../use/ops/ui.js');
  const { UiServer } = await import('../serve/server.js');
  const layout = await uiRepository(context);
  const server = new UiServer({
    cwd: layout.workTree,
    state: (of) => stateOf(layout, of),
    asset: readAsset,
  });
  await server.listen(port);
  try {
    const { address } = server;
    if (ui.json) ui.document({ address, port: server.port, warnings: [] });
    else {
      ui.line(address);
      const shown = flags.open && process.stdout.isTTY === true && openBrowser(address, env);
      ui.note(
        `${shown ? 'The browser shows' : 'Open this address to see'} '${layout.workTree}'. Ctrl-C ends it.`,
      );
    }
    // What it cannot read is said to who asks.
    void server.warm().catch(() => {});
    await ended(context.signal, () => server.idleMs > idleMs);
  } finally {
    await server.close();
  }
  return 0;
}

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'ui', {
      summary: 'look at the repository in a browser',
      about:
        'Serves a page for this machine alone, until Ctrl-C: models, versions as a table with filters, how they ' +
        'follow from one another, networks, curves, comparisons, evaluations, queries, and what takes up space. It only ' +
        'reads. What the page shows is what the commands print with --json, and each view can be copied as the ' +
        'command that shows the same; new versions appear by themselves.\n\n' +
        'The printed address holds a token, without which nothing is answered; whoever has it may read the repository ' +
        'as long as the server runs. To look from another machine, lead a port there with ssh -L. Keys are listed by ? ' +
        'on the page; docs/ui.md says more. With --json the document with address and port is printed as soon as the ' +
        'server listens.',
      examples: [
        ['dlv ui', 'serve the page and show it in the browser'],
        ['dlv ui --no-open --port 8080', 'only print the address, with a port of your choice'],
        [
          'dlv ui --json --idle-exit 600',
          'for programs: ends ten minutes after the last page was closed',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 1: 'the port is taken' },
    })
    .option('--port <n>', 'port to listen on (default: any that is free)')
    .option('--no-open', 'show no browser')
    .option('--idle-exit <seconds>', 'end when no page was open and nothing asked for so long')
    .action(cli.action((run, flags: Flags) => serve(run, flags)));
}
