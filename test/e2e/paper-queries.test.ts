/**
 * The published queries of ModelHub (Miao et al., ICDE 2017) as printed, on AlexNet-, VGG- and LeNet-like networks
 * that construct makes: what they find and make, and that what they make runs and computes what it should.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ConstructionResult } from '../../lib/use/ops/construct.js';
import type { QueryResult } from '../../lib/use/ops/query.js';
import { TestRepository } from '../helpers/repository.js';
import { cannotRun, distance, only, randomInput, runOnnx } from '../helpers/run-onnx.js';

const Q1 =
  'select m1 where m1.name like "alexnet_%" and m1.creation_time > "2015-11-22" and m1["conv[1,3,5]"].next has POOL("MAX")';
const Q2 =
  'slice m2 from m1 where m1.name like "alexnet-origin%" mutate m2.input = m1["conv1"] and m2.output = m1["fc7"]';
const Q3 =
  'construct m2 from m1 where m1.name like "alexnet-avgv1%" and m1["conv*($1)"].next has POOL("AVG") mutate m1["conv*($1)"].insert = RELU("relu$1")';
const Q4 = `evaluate m from "query3" with config = "path to config"
  vary config.base_lr in [0.1, 0.01, 0.001] and config.net["conv*"].lr auto and config.input_data in ["path1","path2"]
  keep top(5, m["loss"], 100)`;

/** Table I: (conv pool){2} (conv{2} pool){2} ip{3}, with the norms and activations that the table leaves out. */
const alexnet = (pool: string, act: string): string =>
  `INPUT("image", 3, 67, 67)
   -> CONV(units = 8, kernel = 11, stride = 4)${act} -> LRN -> POOL(${pool}, kernel = 3, stride = 2)
   -> CONV(units = 8, kernel = 5, pad = 2)${act} -> LRN -> POOL(${pool}, kernel = 3, stride = 2)
   -> (CONV(units = 12, kernel = 3, pad = "same")${act}){2} -> CONV(units = 8, kernel = 3, pad = 1)${act}
   -> POOL(${pool}, kernel = 3, stride = 2)
   -> FULL("fc6", units = 64) -> RELU -> DROPOUT(0.5) -> FULL("fc7", units = 256) -> RELU -> FULL("fc8", units = 10)`;
const NETWORKS: Record<string, string> = {
  'alexnet-origin1': alexnet('"MAX"', ' -> RELU'),
  'alexnet-avgv1': alexnet('"AVG"', ''),
  vgg: `INPUT(3, 32, 32) -> (CONV(units = 4, kernel = 3, pad = "same") -> RELU){2} -> POOL("MAX")
    -> (CONV(units = 8, kernel = 3, pad = "same") -> BN -> RELU){2} -> POOL("MAX")
    -> FULL(units = 16) -> RELU -> DROPOUT -> FULL(units = 10) -> SOFTMAX`,
  lenet: `INPUT(1, 28, 28) -> CONV(units = 6, kernel = 5, pad = 2) -> TANH -> POOL("AVG")
    -> CONV(units = 16, kernel = 5) -> TANH -> POOL("AVG") -> (FULL(units = 32) -> TANH){2} -> FULL(units = 10)`,
};

async function zoo(t: ExecutionContext): Promise<TestRepository> {
  const repo = await TestRepository.create(t);
  for (const [name, chain] of Object.entries(NETWORKS)) {
    await repo.json('query', `construct \`${name}\` as ${chain} seed 7`);
  }
  return repo;
}

/** The network file of a version. */
async function fileOf(repo: TestRepository, revision: string): Promise<Buffer> {
  const out = revision.replace(/\W/g, '-');
  const [file] = (await repo.json<{ written: string[] }>('checkout', revision, '--out', out))
    .written;
  return fs.readFile(path.join(repo.dir, out, file as string));
}

const names = ({ rows }: QueryResult): unknown[] => rows.map(({ values }) => values[0]);

test('the published queries: Q1 and Q3 look past activations and norms, Q2 cuts, Q4 names the file that it lacks', async (t) => {
  const repo = await zoo(t);
  // conv1 is followed by ReLU and LRN before its pooling: next passes over both, succ does not.
  t.deepEqual(names(await repo.json('query', Q1)), ['alexnet-origin1@1']);
  const literal = await repo.json<QueryResult>('query', Q1.replace('.next', '.succ'));
  t.deepEqual(names(literal), []);
  const mixed = await repo.json<QueryResult>('query', 'select m where m["conv1"].next has RELU');
  t.deepEqual(mixed.rows, []);
  t.regex(mixed.hints.join(), /write \.succ/);

  const sliced = await repo.json<ConstructionResult>('query', Q2);
  t.is(sliced.versions.length, 1);
  const [slice] = sliced.versions;
  t.like(slice, { model: 'm2', branch: 'alexnet-origin1-1', name: 'm2@1', isKnown: false });
  t.deepEqual(slice?.networks[0]?.inputs, [
    { name: 'image', type: 'F32', shape: ['N', 3, 67, 67] },
  ]);
  t.deepEqual(slice?.networks[0]?.outputs[0]?.shape, ['N', 256]);
  t.true(
    (slice?.storedBytes ?? 0) < (slice?.logicalBytes ?? 0) / 8,
    'weights are those of the source',
  );
  t.deepEqual(names(await repo.json('query', 'select m where m child of "alexnet-origin1@1"')), [
    'm2@1',
  ]);
  t.deepEqual(names(await repo.json('query', 'select m where m.operation = "slice"')), ['m2@1']);

  const made = await repo.json<ConstructionResult>('query', Q3, '--model', 'query3');
  // conv1, conv2 and conv5 stand before pooling, conv3 and conv4 do not.
  t.deepEqual(
    made.versions[0]?.networks[0]?.changes.map(({ kind, layer, made: layers }) => [
      kind,
      layer,
      layers,
    ]),
    [
      ['insert', 'conv1', ['relu1']],
      ['insert', 'conv2', ['relu2']],
      ['insert', 'conv5', ['relu5']],
    ],
  );
  t.deepEqual(made.versions[0]?.networks[0]?.initialised, []);
  t.true((made.versions[0]?.storedBytes ?? 0) < 6000, 'nothing is new but three layers');
  const again = await repo.json<ConstructionResult>('query', Q3, '--model', 'query3');
  t.like(again.versions[0], { isKnown: true, version: made.versions[0]?.version, storedBytes: 0 });
  t.deepEqual(
    names(
      await repo.json(
        'query',
        'select m where m["conv1"].succ has RELU and m["relu5"].pred has CONV("conv5") and m.model = "query3"',
      ),
    ),
    ['query3@1'],
  );
  // Its paths are printed as placeholders; test/e2e/study.test.ts trains what it asks for.
  t.regex((await repo.fails(1, 'query', Q4)).message, /path to config/);
  t.like(await repo.json('fsck'), { problems: [] });
});

test('a slice computes what the network computes there; an inserted ReLU is one', async (t) => {
  if (cannotRun(t)) return t.pass();
  const repo = await zoo(t);
  const ask = (text: string, model: string) => repo.json('query', text, '--model', model);
  await ask(Q2, 'first');
  await ask(
    'slice m2 from m1 where m1.name like "alexnet-origin%" mutate m2.input = m1["fc7"].succ and m2.output = m1["fc8"]',
    'rest',
  );
  const image = randomInput([2, 3, 67, 67]);
  const whole = await runOnnx(await fileOf(repo, 'alexnet-origin1@1'), { image });
  const middle = await runOnnx(await fileOf(repo, 'first@1'), { image });
  const parts = await runOnnx(await fileOf(repo, 'rest@1'), middle);
  t.true(distance(only(parts), only(whole)) === 0);

  await ask(Q3, 'query3');
  const before = await fileOf(repo, 'alexnet-avgv1@1');
  const after = await fileOf(repo, 'query3@1');
  t.true(
    distance(only(await runOnnx(before, { image })), only(await runOnnx(after, { image }))) > 0,
  );
  // Without the new layers it is the network that it was.
  await ask(
    'construct back from m where m.model = "query3" mutate m["relu[1,2,5]"].delete',
    'back',
  );
  const back = only(await runOnnx(await fileOf(repo, 'back@1'), { image }));
  t.is(distance(back, only(await runOnnx(before, { image }))), 0);
  // A ReLU behind a ReLU changes nothing.
  await ask(
    'construct twice from m where m.model = "vgg" mutate m["relu*"].insert = RELU -> IDENTITY',
    'twice',
  );
  const input = randomInput([2, 3, 32, 32]);
  const vgg = only(await runOnnx(await fileOf(repo, 'vgg@1'), { input }));
  t.is(distance(only(await runOnnx(await fileOf(repo, 'twice@1'), { input })), vgg), 0);
});
