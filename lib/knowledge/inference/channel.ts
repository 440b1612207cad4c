/** The process that runs networks, from our side: one request at a time, ended by an abort signal. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { throwIfAborted } from '../../base/bytes/abort.js';
import { InferenceError } from '../../base/errors.js';
import type { Reply, Request } from './messages.js';

const CHILD = fileURLToPath(new URL('./runtime-child.js', import.meta.url));
/** Builds of onnxruntime may send usage data to their maker: this process sends nothing. */
const QUIET = { ORT_DISABLE_TELEMETRY: '1' };
/** Of what the process wrote on stderr, as much goes into an error. */
const SAID_CHARS_MAX = 500;

/** Messages to and from the process. */
export class Channel {
  readonly #child: ChildProcess;
  readonly #label: string;
  readonly #signal: AbortSignal | undefined;
  readonly #ended: Promise<void>;
  #said = '';
  #end = '';

  /** @param folder  for files that the runtime makes; removed by whoever made it. */
  constructor(label: string, folder: string, signal?: AbortSignal) {
    throwIfAborted(signal);
    this.#label = label;
    this.#signal = signal;
    this.#child = fork(CHILD, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
      env: { ...process.env, ...QUIET, TMPDIR: folder, TEMP: folder, TMP: folder },
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-SAID_CHARS_MAX);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#end = error.message;
        resolve();
      });
      this.#child.once('exit', (code, name) => {
        this.#end = name === null ? `exit code ${code}` : `signal ${name}`;
        resolve();
      });
    });
    signal?.addEventListener('abort', this.#kill);
  }

  readonly #kill = (): void => void this.#child.kill('SIGKILL');

  async ask(request: Request): Promise<Reply> {
    throwIfAborted(this.#signal);
    const child = this.#child;
    let listener: ((reply: unknown) => void) | null = null;
    const answered = new Promise<Reply>((resolve) => {
      listener = (reply) => resolve(reply as Reply);
      child.once('message', listener);
    });
    // A process that has ended takes no message; its end is what is told below.
    if (child.connected) child.send(request, () => {});
    const reply = await Promise.race([answered, this.#ended]);
    if (listener !== null) child.off('message', listener);
    throwIfAborted(this.#signal);
    if (reply === undefined) throw this.#died();
    if (reply.kind === 'missing') throw missingRuntime(reply.message);
    if (reply.kind === 'refused') {
      throw new InferenceError(`'${this.#label}' cannot be run: ${oneLine(reply.message)}`, {
        file: this.#label,
      });
    }
    return reply;
  }

  #died(): InferenceError {
    const said = oneLine(this.#said);
    return new InferenceError(
      `the process that ran '${this.#label}' ended with ${this.#end}${said === '' ? '' : `: ${said}`}`,
      { file: this.#label, hint: 'if memory ran out, a smaller --batch needs less' },
    );
  }

  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#kill);
    this.#kill();
    await this.#ended;
  }
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ').slice(0, SAID_CHARS_MAX);
}

function missingRuntime(why: string): InferenceError {
  return new InferenceError('onnxruntime-node, which runs networks, is not installed', {
    package: 'onnxruntime-node',
    why: oneLine(why),
    hint:
      "install it beside dlv: 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node' " +
      '(with -g if dlv was installed so); see docs/eval.md',
  });
}
