/** Layers in bodies of If and in functions of a file: conditions see them, slice and construct say that they stay. */
import fs from 'node:fs';
import test from 'ava';
import type { UsageError } from '../../../../lib/base/errors.js';
import { ask, dqlHost } from '../../../helpers/dql-host.js';
import { editedFile, layersIn, networkIn } from '../../../helpers/edit-network.js';
import { fixture } from '../../../helpers/paths.js';
import { bytes, int, onnxModel } from '../../../helpers/protobuf.js';
import { cannotRun, distance, only, randomInput, runOnnx } from '../../../helpers/run-onnx.js';

/** A Relu, a function of a Tanh and a Sigmoid, and a Relu. */
function withFunction(): Buffer {
  const node = (op: string, [input, output, name]: string[], ...more: Uint8Array[]) =>
    Buffer.concat([
      ...[bytes(1, input as string), bytes(2, output as string), bytes(3, name as string)],
      ...[bytes(4, op), ...more],
    ]);
  const value = (name: string) =>
    Buffer.concat([
      bytes(1, name),
      bytes(2, bytes(1, int(1, 1), bytes(2, bytes(1, bytes(2, 'N')), bytes(1, int(1, 4))))),
    ]);
  const opset = (domain: string, version: number) => bytes(8, bytes(1, domain), int(2, version));
  return Buffer.concat([
    onnxModel(
      bytes(1, node('Relu', ['x', 'a', 'first'])),
      bytes(1, node('Gate', ['a', 'b', 'gate'], bytes(7, 'own'))),
      bytes(1, node('Relu', ['b', 'y', 'last'])),
      bytes(11, value('x')),
      bytes(12, value('y')),
    ),
    opset('own', 1),
    bytes(
      25,
      bytes(1, 'Gate'),
      ...[bytes(4, 'in'), bytes(5, 'out')],
      bytes(7, node('Tanh', ['in', 'mid', 'inner'])),
      bytes(7, node('Sigmoid', ['mid', 'out', 'outer'])),
      bytes(9, bytes(1, ''), int(2, 17)),
      bytes(10, 'own'),
    ),
  ]);
}

async function fits(file: Uint8Array, condition: string): Promise<boolean> {
  const host = dqlHost([{ name: 'm@1', columns: {}, network: await networkIn(file) }]);
  return (await ask(host, `select m where ${condition}`)).rows.length === 1;
}

const refused = async (file: Uint8Array, text: string): Promise<string> => {
  try {
    await editedFile(file, text);
  } catch (error) {
    const { message, data } = error as UsageError & { hint?: string };
    return `${message}\n${data?.hint ?? (error as { hint?: string }).hint ?? ''}`;
  }
  throw new Error(`${text} was not refused`);
};

test('bodies of If: conditions see their layers by the last part of the name, changes and slices are refused', async (t) => {
  const file = fs.readFileSync(fixture('networks', 'vad.onnx'));
  t.true(await fits(file, 'm["conv3"].next has CONV("conv4")'));
  t.true(await fits(file, 'exists m["if1.else/conv3"] and m["conv5"].next has OP("If")'));
  for (const mutation of [
    'm["conv3"].insert = RELU',
    'm["if1.else/conv3"].delete',
    'm["conv3"].replace = CONV',
  ]) {
    t.regex(
      await refused(file, `construct b from m mutate ${mutation}`),
      /reparam_conv' is in the body of an If or a Loop, which is kept as it is\n.*main graph/,
    );
  }
  t.regex(
    await refused(file, 'slice s from m mutate s.input = m["conv3"] and s.output = m["conv5"]'),
    /body of an If or a Loop: a slice begins and ends in the main graph/,
  );
});

test('functions of a file: conditions see through them, changes inside are refused, around them they are made', async (t) => {
  const file = withFunction();
  const names = await layersIn(file);
  t.is(names.length, 4);
  t.true(await fits(file, 'm["first"].succ has TANH and m["last"].pred has SIGMOID'));
  for (const inner of [names[1], names[2]]) {
    t.regex(
      await refused(file, `construct b from m mutate m["${inner}"].insert = RELU`),
      /is in a function of the file, which is kept as it is\n.*without functions/,
    );
  }
  t.regex(
    await refused(
      file,
      `slice s from m mutate s.input = m["${names[1]}"] and s.output = m["last"]`,
    ),
    /inside a function of the file/,
  );
  const longer = await editedFile(file, 'construct b from m mutate m["first"].insert = SOFTPLUS');
  t.is((await layersIn(longer)).length, 5);
  const cut = await editedFile(
    file,
    `slice s from m mutate s.input = m["${names[2]}"] and s.output = m["last"]`,
  );
  t.is((await layersIn(cut)).length, 3, 'a function is taken whole');
  if (cannotRun(t)) return;
  const x = randomInput([3, 4]);
  const whole = only(await runOnnx(file, { x }));
  const relu = { ...x, data: x.data.map((one) => Math.max(one, 0)) } as typeof x;
  t.true(distance(only(await runOnnx(cut, { a: relu })), whole) === 0);
  t.true(distance(only(await runOnnx(longer, { x })), whole) > 0);
});
