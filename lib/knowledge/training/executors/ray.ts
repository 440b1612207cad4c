/** A Ray cluster, by its Jobs API over HTTP. */
import { RemoteError } from '../../../base/errors.js';
import type { HttpAnswer } from '../../../storage/exchange/transports/http-answer.js';
import { HttpClient } from '../../../storage/exchange/transports/http-client.js';
import type { Cluster, JobRequest, JobSight } from './cluster.js';
import type { ExecutorOptions } from './executor.js';

/** Of an answer: the largest is the log of a job. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const LOG_CHARS = 2000;

interface Asked {
  method: 'GET' | 'POST';
  path: string;
  body?: object;
}

export class RayCluster implements Cluster {
  readonly kind = 'ray';
  readonly place: string;
  readonly #base: URL;
  readonly #http: HttpClient;
  readonly #options: ExecutorOptions;

  /** @param address  of the head's dashboard, http://host:8265. */
  constructor(address: string, options: ExecutorOptions, env: NodeJS.ProcessEnv = process.env) {
    this.#base = new URL(address);
    this.#options = options;
    const { RAY_AUTH_TOKEN: token } = env;
    const shown = this.#base.origin;
    this.place = `the Ray cluster at ${shown}`;
    this.#http = new HttpClient({
      shown,
      traffic: { requests: 0, receivedBytes: 0, sentBytes: 0 },
      redirects: false,
      sign: () =>
        (token === undefined ? {} : { authorization: `Bearer ${token}` }) as Record<string, string>,
      env,
    });
  }

  async find(name: string, signal?: AbortSignal): Promise<JobSight | null> {
    const answer = await this.#ask({ method: 'GET', path: `api/jobs/${name}` }, signal);
    if (answer === null) return null;
    const { status, message } = answer as { status?: unknown; message?: unknown };
    return {
      state: status === 'PENDING' ? 'queued' : status === 'RUNNING' ? 'running' : 'ended',
      isLate: false,
      message: typeof message === 'string' ? firstLine(message) : String(status),
    };
  }

  async submit({ name, files }: JobRequest, signal?: AbortSignal): Promise<void> {
    const { cpus, gpus, memoryBytes } = this.#options;
    const body = {
      entrypoint: `sh '${files.script.replaceAll("'", "'\\''")}'`,
      submission_id: name,
      entrypoint_num_cpus: Math.max(1, cpus),
      entrypoint_memory: memoryBytes,
      ...(gpus > 0 ? { entrypoint_num_gpus: gpus } : {}),
    };
    await this.#ask({ method: 'POST', path: 'api/jobs/', body }, signal);
  }

  async cancel(name: string): Promise<void> {
    await this.#ask({ method: 'POST', path: `api/jobs/${name}/stop` }, AbortSignal.timeout(5000));
  }

  async log(name: string): Promise<string> {
    const answer = await this.#ask({ method: 'GET', path: `api/jobs/${name}/logs` });
    const { logs } = (answer ?? {}) as { logs?: unknown };
    return typeof logs === 'string' ? logs.slice(-LOG_CHARS) : '';
  }

  close(): void {
    this.#http.close();
  }

  /** Null: there is no such job. */
  #ask({ method, path, body }: Asked, signal?: AbortSignal): Promise<object | null> {
    const request = {
      method,
      url: new URL(path, this.#base.href.endsWith('/') ? this.#base : `${this.#base.href}/`),
      ...(body === undefined
        ? {}
        : {
            body: Buffer.from(JSON.stringify(body)),
            headers: { 'content-type': 'application/json' },
          }),
    };
    return this.#http.send(request, (answer) => this.#read(answer), signal);
  }

  async #read(answer: HttpAnswer): Promise<object | null> {
    const { status } = answer;
    const text = Buffer.from(await answer.all(ANSWER_BYTES_MAX)).toString();
    if (status === 404) return null;
    const shown = this.#base.origin;
    if (status < 200 || status >= 300) {
      throw new RemoteError(`'${shown}' answers ${status}: ${firstLine(text)}`, {
        ...{ url: shown, status, isLasting: true },
        hint:
          status === 401 || status === 403
            ? 'the cluster wants a token: set RAY_AUTH_TOKEN'
            : "ray.address has to be the address of the head's dashboard, such as http://127.0.0.1:8265",
      });
    }
    try {
      const value = JSON.parse(text) as unknown;
      if (typeof value === 'object' && value !== null) return value;
      // `stop` answers an object as well; anything else is not this API.
    } catch {
      // Below.
    }
    throw new RemoteError(`'${shown}' does not answer as the Jobs API of Ray does`, {
      ...{ url: shown, isLasting: true },
      hint: "ray.address has to be the address of the head's dashboard, such as http://127.0.0.1:8265",
    });
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 300) ?? '';
}
