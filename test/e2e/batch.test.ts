/** `dlv batch` as a program meets it: a process, lines, frames, cancellation, and the ends of either side. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { DLV_BIN } from '../helpers/dlv.js';
import { NO_SETTINGS, TESTER } from '../helpers/paths.js';
import { TestRepository } from '../helpers/repository.js';
import { randomTensors, safetensors } from '../helpers/safetensors.js';

interface Answer {
  id: number | string | null;
  ok: boolean;
  exit: number;
  result?: Record<string, unknown>;
  error?: { code: string; message: string; data: { hint?: string } };
  warnings: string[];
  frame?: number;
  progress?: { label: string; unit: string; done: number; total: number };
}

/** A program that speaks the protocol. */
class Client {
  readonly child: ChildProcessWithoutNullStreams;
  readonly greeting: Promise<unknown>;
  readonly frames = new Map<unknown, Buffer[]>();
  readonly events: Answer[] = [];
  readonly ended: Promise<[number | null, string | null]>;
  readonly #answers: Answer[] = [];
  #wake = (): void => {};
  #bytes = Buffer.alloc(0);
  #greet!: (line: unknown) => void;
  #isGreeted = false;
  #frame: Answer | null = null;

  constructor(cwd: string) {
    this.child = spawn(process.execPath, [DLV_BIN, 'batch'], {
      cwd,
      env: { ...process.env, ...TESTER, DLV_CONFIG: NO_SETTINGS },
    });
    this.greeting = new Promise((resolve) => {
      this.#greet = resolve;
    });
    this.ended = once(this.child, 'close') as Promise<[number | null, string | null]>;
    this.child.stdin.on('error', () => {});
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      while (this.#take());
      this.#wake();
    });
  }

  #take(): boolean {
    if (this.#frame !== null) {
      const { id, frame = 0 } = this.#frame;
      if (this.#bytes.length < frame) return false;
      const list = this.frames.get(id) ?? [];
      list.push(this.#bytes.subarray(0, frame));
      this.frames.set(id, list);
      this.#bytes = this.#bytes.subarray(frame);
      this.#frame = null;
      return true;
    }
    const end = this.#bytes.indexOf(0x0a);
    if (end < 0) return false;
    const line = JSON.parse(this.#bytes.subarray(0, end).toString()) as Answer;
    this.#bytes = this.#bytes.subarray(end + 1);
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#greet(line);
    } else if (line.frame !== undefined) this.#frame = line;
    else if (line.progress !== undefined) this.events.push(line);
    else this.#answers.push(line);
    return true;
  }

  send(...requests: object[]): void {
    this.child.stdin.write(requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
  }

  async answer(): Promise<Answer> {
    while (this.#answers.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#answers.shift() as Answer;
  }

  async ask(request: object): Promise<Answer> {
    this.send(request);
    return this.answer();
  }
}

async function start(t: ExecutionContext): Promise<{ repo: TestRepository; client: Client }> {
  const repo = await TestRepository.create(t);
  await repo.write('m.safetensors', safetensors(randomTensors({ w: [64, 64], b: [8] }, 1)));
  await repo.commit('first', { metrics: { loss: 0.5 } });
  const client = new Client(repo.dir);
  t.teardown(async () => {
    client.child.kill('SIGKILL');
    await client.ended;
  });
  return { repo, client };
}

test('batch: documents are those of the commands, one process for all', async (t) => {
  const { repo, client } = await start(t);
  const greeting = (await client.greeting) as { protocol: number };
  t.is(greeting.protocol, 1);
  for (const [op, ...args] of [
    ['log'],
    ['show', 'HEAD'],
    ['list'],
    ['diff', 'HEAD'],
    ['help', 'log'],
  ]) {
    const { ok, exit, result, warnings } = await client.ask({ id: 1, op, args });
    t.true(ok);
    t.is(exit, 0);
    const document: Record<string, unknown> = await repo.json(op as string, ...(args as string[]));
    const { warnings: said = [], ...rest } = document;
    t.deepEqual(result as unknown, Array.isArray(document) ? document : rest);
    t.deepEqual(warnings, said as string[]);
  }
  // What another process does meanwhile is seen.
  await repo.write('m.safetensors', safetensors(randomTensors({ w: [64, 64], b: [8] }, 2)));
  await repo.commit('second');
  const [newest] = (await client.ask({ id: 'x', op: 'log' })).result as unknown as [
    { message: string },
  ];
  t.is(newest.message, 'second');
  client.child.stdin.end();
  t.deepEqual(await client.ended, [0, null]);
});

test('batch: a repository that changed its settings, or is another one, is opened again', async (t) => {
  const { repo, client } = await start(t);
  const warned = async () => (await client.ask({ id: 1, op: 'log' })).warnings.length;
  t.is(await warned(), 0);
  await fs.appendFile(repo.file('.dlv/config'), '\n[user]\nname = Stranger\n');
  t.is(await warned(), 1);
  t.is(await warned(), 1);
  await fs.rm(repo.file('.dlv'), { recursive: true });
  t.is((await client.ask({ id: 1, op: 'log' })).error?.code, 'DLV_NO_REPOSITORY');
  await repo.json('init', '--model', 'other');
  const status = await client.ask({ id: 1, op: 'status' });
  t.is((status.result as { head: { model: string } }).head.model, 'other');
  await repo.json('gc', '--prune=now');
  t.true((await client.ask({ id: 1, op: 'status' })).ok);
});

test('batch: bytes come as frames, or in a file that is there again', async (t) => {
  const { repo, client } = await start(t);
  const file = await repo.read('m.safetensors');
  const whole = await client.ask({ id: 1, op: 'cat', args: ['HEAD:m.safetensors'], data: true });
  t.is(whole.result?.bytes, file.length);
  t.deepEqual(Buffer.concat(client.frames.get(1) ?? []), file);
  const tensor = await client.ask({ id: 2, op: 'cat', args: ['HEAD:m.safetensors#w'], data: true });
  t.deepEqual(tensor.result?.tensor, { name: 'w', dtype: 'F32', shape: [64, 64] });
  t.is(Buffer.concat(client.frames.get(2) ?? []).length, 64 * 64 * 4);
  // Without data only the description comes.
  await client.ask({ id: 3, op: 'cat', args: ['HEAD:m.safetensors#w'] });
  t.is(client.frames.get(3), undefined);
  const args = ['HEAD', '--format', 'safetensors', '--to-cache'];
  const placed = await client.ask({ id: 4, op: 'cat', args, data: true, progress: true });
  const where = placed.result?.file as string;
  t.is(client.frames.get(4), undefined);
  t.deepEqual(client.events[0]?.progress, {
    ...{ label: 'loading', unit: 'bytes', done: 0, total: placed.result?.bytes as number },
  });
  t.true(client.events.every(({ id }) => id === 4));
  t.deepEqual(await fs.readFile(where), await catBytes(repo));
  const { ino } = await fs.stat(where);
  t.is((await client.ask({ id: 5, op: 'cat', args })).result?.file, where);
  t.is((await fs.stat(where)).ino, ino);
  // One that somebody has written to is made again.
  await fs.chmod(where, 0o644);
  await fs.writeFile(where, Buffer.alloc((await fs.stat(where)).size));
  t.is((await client.ask({ id: 6, op: 'cat', args })).result?.file, where);
  t.deepEqual(await fs.readFile(where), await catBytes(repo));
  await repo.json('gc');
  await t.throwsAsync(fs.readFile(where), { code: 'ENOENT' });
});

async function catBytes(repo: TestRepository): Promise<Buffer> {
  return (await repo.dlv('cat', 'HEAD', '--format', 'safetensors')).stdoutBytes;
}

test('batch: what is wrong is an error of the table, and the next request is answered', async (t) => {
  const { client } = await start(t);
  const cases: [object, string, number][] = [
    [{ id: 1, op: 'show', args: ['mian'] }, 'DLV_NOT_FOUND', 1],
    [{ id: 1, op: 'frobnicate' }, 'DLV_USAGE', 2],
    [{ id: 1, op: '--version' }, 'DLV_USAGE', 2],
    [{ id: 1, op: 'batch' }, 'DLV_USAGE', 2],
    [{ id: 1, op: 'log', args: ['--frob'] }, 'DLV_USAGE', 2],
    [{ id: 1, op: 'commit', args: ['-F', '-'] }, 'DLV_USAGE', 2],
    [{ id: 1, op: 'query', args: ['-'] }, 'DLV_USAGE', 2],
    [{ id: 1, op: 'log', cwd: '/nowhere' }, 'DLV_NO_REPOSITORY', 10],
    [{ id: null, op: 'log' }, 'DLV_USAGE', 2],
  ];
  for (const [request, code, exit] of cases) {
    const answer = await client.ask(request);
    t.false(answer.ok, JSON.stringify(request));
    t.is(answer.error?.code, code, JSON.stringify(request));
    t.is(answer.exit, exit);
  }
  t.regex((await client.ask(cases[0]?.[0] as object)).error?.data.hint ?? '', /main/);
  client.child.stdin.write('half a li');
  client.child.stdin.write('ne\n{"id": 2, "op": "log"}\n{"id": 3,');
  t.is((await client.answer()).error?.code, 'DLV_USAGE');
  t.true((await client.answer()).ok);
  client.child.stdin.end();
  t.regex((await client.answer()).error?.message ?? '', /within a line/);
  t.deepEqual(await client.ended, [0, null]);
});

test('batch: a request that waits or runs can be cancelled', async (t) => {
  const { client, repo } = await start(t);
  await repo.write('big.bin', Buffer.alloc(48 * 1024 * 1024, 'some text, '));
  client.send(
    { id: 1, op: 'add', args: ['big.bin'] },
    { id: 2, op: 'log' },
    { id: 3, op: 'cancel', target: 2 },
    { id: 4, op: 'cancel', target: 1 },
    { id: 5, op: 'cancel', target: 99 },
    { id: 6, op: 'log' },
  );
  const answers = new Map<unknown, Answer>();
  for (let i = 0; i < 6; i++) {
    const answer = await client.answer();
    answers.set(answer.id, answer);
  }
  t.is(answers.get(2)?.error?.code, 'DLV_ABORTED');
  t.is(answers.get(1)?.error?.code, 'DLV_ABORTED');
  t.deepEqual(answers.get(3)?.result, { cancelled: true });
  t.deepEqual(answers.get(4)?.result, { cancelled: true });
  t.deepEqual(answers.get(5)?.result, { cancelled: false });
  t.true(answers.get(6)?.ok);
});

test('batch: a signal ends it, also while it waits', async (t) => {
  const { client } = await start(t);
  await client.greeting;
  client.child.kill('SIGTERM');
  t.deepEqual(await client.ended, [130, null]);
});

test('batch: when who asked has gone, what was asked for is carried out, and it ends', async (t) => {
  const { client, repo } = await start(t);
  await client.greeting;
  await repo.write('m.safetensors', safetensors(randomTensors({ w: [64, 64], b: [8] }, 3)));
  client.send({ id: 1, op: 'commit', args: ['-a', '-m', 'the last word'] });
  client.send({ id: 2, op: 'cat', args: ['HEAD:m.safetensors'], data: true });
  client.child.stdin.end();
  client.child.stdout.destroy();
  t.deepEqual(await client.ended, [0, null]);
  const [newest] = await repo.json<{ message: string }[]>('log', '-n', '1');
  t.is(newest?.message, 'the last word');
  t.deepEqual(await fs.readdir(path.join(repo.dir, '.dlv', 'tmp')), []);
});
