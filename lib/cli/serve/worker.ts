/** Entry of a worker thread of `dlv ui`: runs one command after another, so that the server always answers. */
import { parentPort, workerData } from 'node:worker_threads';
import { asDlvError } from '../../base/errors.js';
import { answer, lineOf } from './answer.js';
import type { Answer, Order, Report } from './messages.js';
import { isSelect, words } from './words.js';

const { cwd } = workerData as { cwd: string };
let running: { id: number; abort: AbortController } | null = null;

async function carryOut(argv: readonly string[], signal: AbortSignal): Promise<Answer> {
  try {
    if (argv[0] === 'words')
      return { code: 0, text: lineOf(await words(cwd, signal)), warnings: [] };
    if (argv[0] === 'query') await isSelect(argv);
    return await answer(argv, cwd, signal);
  } catch (thrown) {
    const error = asDlvError(thrown);
    return {
      code: error.exitCode,
      text: lineOf({ error: error.toJSON(), warnings: [] }),
      warnings: [],
    };
  }
}

parentPort?.on('message', (order: Order) => {
  if ('abort' in order) {
    if (running?.id === order.abort) running.abort.abort();
    return;
  }
  const { id, argv } = order;
  const abort = new AbortController();
  running = { id, abort };
  void carryOut(argv, abort.signal).then((found) => {
    running = null;
    parentPort?.postMessage({ id, ...found } satisfies Report);
  });
});
