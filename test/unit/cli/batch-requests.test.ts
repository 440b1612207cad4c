/** Lines of `dlv batch`: any bytes, cut anywhere, give requests or errors, and never more memory than a line. */
import test from 'ava';
import fc from 'fast-check';
import { BATCH_LINE_BYTES_MAX, BATCH_WORDS_MAX } from '../../../lib/base/limits.js';
import { type Line, parseRequest, readRequests } from '../../../lib/cli/batch/request.js';

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function read(...parts: (string | Uint8Array)[]): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const line of readRequests(chunks(...parts))) lines.push(line);
  return lines;
}

/** Code and message of a line that is no request. */
function problem(line: Line | undefined): string {
  if (line === undefined || !('error' in line)) return `no error: ${JSON.stringify(line)}`;
  return `${line.id} ${line.error.code} ${line.error.message}`;
}

const REQUEST = { id: 7, op: 'log', args: ['-n', '1'], data: false, progress: false };

test('requests: are the same wherever the input is cut', async (t) => {
  const text = Buffer.from(
    '{"id":7,"op":"log","args":["-n","1"]}\n\r\n{"id":"ü","op":"show","cwd":"/a","data":true}\nno\n',
  );
  const whole = await read(text);
  t.deepEqual(whole[0], REQUEST);
  t.deepEqual(whole[1], { id: 'ü', op: 'show', args: [], cwd: '/a', data: true, progress: false });
  t.is(problem(whole[2]), 'null DLV_USAGE a line is no JSON in UTF-8');
  t.is(whole.length, 3);
  for (let cut = 0; cut <= text.length; cut++) {
    const again = await read(text.subarray(0, cut), text.subarray(cut));
    t.deepEqual(again.map(problem), whole.map(problem));
  }
});

test('requests: what is wrong is said, with the id where there is one', (t) => {
  const cases: [unknown, string][] = [
    [[], 'null DLV_USAGE a line is no JSON object'],
    [null, 'null DLV_USAGE a line is no JSON object'],
    [{ op: 'log' }, 'null DLV_USAGE a request has no id: a whole number or a text'],
    [{ id: 1.5, op: 'log' }, 'null DLV_USAGE a request has no id: a whole number or a text'],
    [
      { id: 'x'.repeat(5000), op: 'a' },
      'null DLV_USAGE a request has no id: a whole number or a text',
    ],
    [{ id: 1 }, '1 DLV_USAGE a request has no op: the name of a command'],
    [{ id: 1, op: 'log', argv: [] }, "1 DLV_USAGE a request has the unknown member 'argv'"],
    [{ id: 1, op: 'log', args: 'x' }, '1 DLV_USAGE args are no list of at most 10000 texts'],
    [{ id: 1, op: 'log', args: [1] }, '1 DLV_USAGE args are no list of at most 10000 texts'],
    [{ id: 1, op: 'log', args: ['a\0b'] }, '1 DLV_USAGE args are no list of at most 10000 texts'],
    [
      { id: 1, op: 'log', args: Array(BATCH_WORDS_MAX + 1).fill('') },
      '1 DLV_USAGE args are no list of at most 10000 texts',
    ],
    [{ id: 1, op: 'log', cwd: 1 }, '1 DLV_USAGE cwd is no text'],
    [{ id: 1, op: 'log', data: 1 }, '1 DLV_USAGE data is not true or false'],
    [{ id: 1, op: 'log', progress: 'yes' }, '1 DLV_USAGE progress is not true or false'],
    [{ id: 1, op: 'cancel' }, "1 DLV_USAGE cancel, and no other op, has a 'target'"],
    [{ id: 1, op: 'log', target: 2 }, "1 DLV_USAGE cancel, and no other op, has a 'target'"],
  ];
  for (const [value, said] of cases) {
    t.is(problem(parseRequest(Buffer.from(JSON.stringify(value)))), said);
  }
  t.is(
    problem(parseRequest(Buffer.from([0x22, 0xff, 0x22]))),
    'null DLV_USAGE a line is no JSON in UTF-8',
  );
});

test('requests: a line without end takes no memory, and the next one counts', async (t) => {
  const piece = Buffer.alloc(1 << 16, 0x61);
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 4096; i++) yield piece;
    yield Buffer.from('\n{"id":7,"op":"log","args":["-n","1"]}\n');
  }
  const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
  const lines: Line[] = [];
  for await (const line of readRequests(endless())) lines.push(line);
  const grown = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed - before;
  t.true(grown < 64 * BATCH_LINE_BYTES_MAX, `${grown} bytes`);
  t.is(problem(lines[0]), `null DLV_LIMIT a request is over ${BATCH_LINE_BYTES_MAX} bytes`);
  t.deepEqual(lines[1], REQUEST);
});

test('requests: what is left at the end is half a line', async (t) => {
  t.is(
    problem((await read('{"id":7,"op":"log"}')).at(-1)),
    'null DLV_USAGE the input ends within a line',
  );
  t.deepEqual(await read(''), []);
  t.deepEqual(await read('\n \r\n'), []);
});

test('requests: any bytes are read', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), async (parts) => {
      const lines = await read(...parts, '\n', '{"id":7,"op":"log","args":["-n","1"]}\n');
      t.deepEqual(lines.at(-1), REQUEST);
    }),
    { numRuns: 200 },
  );
});
