/** `dlv batch` on the command line. */
import type { Command } from 'commander';
import { BATCH_LINE_BYTES_MAX, BATCH_WAITING_MAX } from '../../base/limits.js';
import type { Cli } from '../run.js';

/** What is said of the protocol with --json. */
interface BatchProtocol {
  dlv: string;
  protocol: number;
  /** Longest request, and how many may wait until more are read. */
  lineBytesMax: number;
  waitingMax: number;
}

const EXAMPLE: BatchProtocol = {
  dlv: '0.1.0',
  protocol: 1,
  lineBytesMax: BATCH_LINE_BYTES_MAX,
  waitingMax: BATCH_WAITING_MAX,
};

export function register(program: Command, cli: Cli): void {
  cli
    .command(program, 'batch', {
      summary: 'run many commands for a program in one process',
      about:
        'Reads requests from stdin, a JSON object in a line each, and answers on stdout. A request is the ' +
        'name of a command and the words of its command line; its result is the document that the command ' +
        'prints with --json. Bytes of files and tensors come as frames of a length that is announced. ' +
        'docs/batch.md describes the protocol; the Python package uses it. It ends when stdin ends.\n\n' +
        'With --json, nothing is read: the document says which protocol is spoken.',
      examples: [
        [
          `echo '{"id": 1, "op": "log", "args": ["-n", "1"]}' | dlv batch`,
          'the newest version, as one line of JSON behind a greeting',
        ],
      ],
      json: EXAMPLE,
      exitCodes: { 0: 'stdin ended; answers say which requests failed', 130: 'interrupted' },
    })
    .action(
      cli.action(async (run) => {
        const { PROTOCOL, serveBatch } = await import('../batch/serve.js');
        const { about } = await import('../../use/ops/about.js');
        const { version } = await about();
        if (run.ui.json) {
          run.answer({ ...EXAMPLE, dlv: version, protocol: PROTOCOL }, () => {});
          return 0;
        }
        const { stdout, env, signal } = cli.host;
        const { KeptRepository } = await import('../../use/ops/with-repository.js');
        const kept = new KeptRepository();
        try {
          await serveBatch({
            input: run.input(),
            host: { stdout, env, signal, cwd: run.context.cwd },
            runLine: run.line,
            reading: (context, action) => kept.use(context, action),
            version,
          });
        } finally {
          await kept.close();
        }
        return 0;
      }),
    );
}
