/** What numbers the checkpoints of a run, for the names of all usual trainers: which checkpoints there are, their steps, and the names of their files in versions. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { plainPath } from '../../../../lib/pure/paths/series-names.js';
import { Layout } from '../../../../lib/storage/repo/layout.js';
import type { RunRecord } from '../../../../lib/storage/repo/runs/run-record.js';
import { CheckpointKeeper } from '../../../../lib/use/running/checkpoints/checkpoint-keeper.js';
import { heldFiles } from '../../../../lib/use/running/checkpoints/held-files.js';
import { Scanner } from '../../../../lib/use/running/checkpoints/scan.js';
import { runRecord } from '../../../helpers/run-record.js';
import { tempDir } from '../../../helpers/temp-dir.js';

/** What a trainer does: files that it writes one after another, `-name` that it removes, `=n` a step that it tells, `.` a pause in which all that was written is complete. */
type Deeds = string;

/** A run that is followed without a clock. */
class Followed {
  readonly record: RunRecord = { ...runRecord(), checkpoints: [] };
  readonly #dir: string;
  readonly #layout: Layout;
  readonly #scanner: Scanner;
  readonly #keeper: CheckpointKeeper;
  readonly warnings: string[] = [];
  #now = 0;
  #written = 0;

  constructor(dir: string) {
    this.#dir = dir;
    this.#layout = new Layout(dir);
    this.#scanner = new Scanner({ cwd: dir, patterns: [], logs: [] });
    const warn = (text: string): void => void this.warnings.push(text);
    this.#keeper = new CheckpointKeeper(this.#layout, this.record, warn, this.#scanner.numbering);
  }

  async begin(): Promise<void> {
    this.#keeper.settle(await this.#scanner.scan(true));
    this.#scanner.begin([]);
  }

  async look(hasEnded = false): Promise<void> {
    const scan = await this.#scanner.scan(true);
    await this.#keeper.see(scan, { now: this.#now, writers: new Set(), hasEnded });
  }

  async do(deeds: Deeds): Promise<void> {
    for (const deed of deeds.split(' ')) {
      const rest = deed.slice(1);
      if (deed === '.') this.#now += 100_000;
      else if (deed.startsWith('=')) this.#scanner.numbering.tell(Number(rest));
      else if (deed.startsWith('-')) await fs.rm(path.join(this.#dir, rest), { recursive: true });
      else {
        const file = path.join(this.#dir, deed);
        await fs.mkdir(path.dirname(file), { recursive: true });
        // Another file each time, as trainers write that rename.
        await fs.rm(file, { force: true });
        await fs.writeFile(file, `${this.#written++} of ${deed}`);
      }
      if (!deed.startsWith('-')) await this.look();
    }
  }

  /** A version was made of a checkpoint of which a file does not read to its end. */
  async stored(n: number, problem: string): Promise<void> {
    const outcome = { n, state: 'committed', version: null, number: n, problem } as const;
    await this.#keeper.settleOutcome(outcome, false);
  }

  async end(): Promise<void> {
    for (let i = 0; i < 2; i++) await this.look(true);
  }

  /** 'step: names in the version', of each that is held. */
  async held(): Promise<string[]> {
    const found: string[] = [];
    for (const { n, step, series, state, isFolder, place } of this.record.checkpoints) {
      const files = await heldFiles(this.#layout.heldCheckpoint(this.record.id, n), isFolder);
      const names = files.map(({ inside }) => plainPath(series, inside)).sort();
      found.push(state === 'held' ? `${step}: ${names.join(' ')}` : `${place} is ${state}`);
    }
    return found;
  }
}

async function follow(t: Parameters<typeof tempDir>[0], deeds: Deeds): Promise<Followed> {
  const run = new Followed(await tempDir(t));
  await run.begin();
  await run.do(deeds);
  return run;
}

const PARTS = 'mp_rank_00_model_states.pt zero_pp_rank_0_mp_rank_00_optim_states.pt';
/** What the trainer writes, and the checkpoints that come of it. */
const SCHEMES: Record<string, [deeds: Deeds, checkpoints: string[]]> = {
  'Trainer of transformers': [
    'checkpoint-500/model.safetensors checkpoint-500/optimizer.pt . checkpoint-1000/model.safetensors checkpoint-1000/optimizer.pt .',
    ['500: model.safetensors optimizer.pt', '1000: model.safetensors optimizer.pt'],
  ],
  'its shards': [
    'checkpoint-5/model-00001-of-00002.safetensors checkpoint-5/model-00002-of-00002.safetensors .',
    ['5: model-00001-of-00002.safetensors model-00002-of-00002.safetensors'],
  ],
  'Lightning, default': [
    'lightning_logs/version_0/checkpoints/epoch=0-step=120.ckpt . lightning_logs/version_0/checkpoints/epoch=1-step=240.ckpt .',
    ['120: model.ckpt', '240: model.ckpt'],
  ],
  'Lightning, the best one is kept': [
    'ck/mnist-epoch=02-val_loss=0.32.ckpt . -ck/mnist-epoch=02-val_loss=0.32.ckpt ck/mnist-epoch=05-val_loss=0.30.ckpt .',
    ['2: mnist.ckpt', '5: mnist.ckpt'],
  ],
  'Keras, epoch and loss': ['w.01-0.54.keras . w.02-0.34.keras .', ['1: w.keras', '2: w.keras']],
  'Keras, numbers alone': [
    'ck/01-0.54.keras . ck/02-0.34.keras .',
    ['1: model.keras', '2: model.keras'],
  ],
  'Keras, weights': [
    'cp-0001.weights.h5 . cp-0002.weights.h5 .',
    ['1: cp.weights.h5', '2: cp.weights.h5'],
  ],
  fastai: ['models/model_0.pth . models/model_1.pth .', ['0: model.pth', '1: model.pth']],
  timm: [
    'output/checkpoint-0.pth.tar . output/checkpoint-1.pth.tar .',
    ['0: model.pth.tar', '1: model.pth.tar'],
  ],
  detectron2: [
    'output/model_0000999.pth . output/model_0001999.pth . output/model_final.pth .',
    ['999: model.pth', '1999: model.pth', 'null: model_final.pth'],
  ],
  MMEngine: ['work/iter_100.pth . work/iter_200.pth .', ['100: model.pth', '200: model.pth']],
  Megatron: [
    'iter_0000100/mp_rank_00/model_optim_rng.pt . iter_0000200/mp_rank_00/model_optim_rng.pt .',
    ['100: mp_rank_00/model_optim_rng.pt', '200: mp_rank_00/model_optim_rng.pt'],
  ],
  DeepSpeed: [
    'global_step100/mp_rank_00_model_states.pt global_step100/zero_pp_rank_0_mp_rank_00_optim_states.pt .',
    [`100: ${PARTS}`],
  ],
  'DeepSpeed, a pipeline': [
    'global_step100/layer_00-model_states.pt global_step100/layer_01-model_states.pt . -global_step100 global_step200/layer_00-model_states.pt global_step200/layer_01-model_states.pt .',
    [
      '100: layer_00-model_states.pt layer_01-model_states.pt',
      '200: layer_00-model_states.pt layer_01-model_states.pt',
    ],
  ],
  nanoGPT: ['out/ckpt.pt . out/ckpt.pt .', ['null: ckpt.pt', 'null: ckpt.pt']],
  YOLO: [
    'runs/train/exp7/weights/epoch12.pt . runs/train/exp7/weights/last.pt runs/train/exp7/weights/best.pt .',
    ['12: model.pt', 'null: best.pt last.pt'],
  ],
  'stable-baselines': [
    'logs/rl_model_10000_steps.zip . logs/rl_model_20000_steps.zip .',
    ['10000: rl_model.zip', '20000: rl_model.zip'],
  ],
  'chainer, no ending': [
    'r/snapshot_iter_5000 . r/snapshot_iter_6000 .',
    ['5000: model', '6000: model'],
  ],
  fairseq: [
    'ck/checkpoint_1_500.pt . ck/checkpoint_2_900.pt .',
    ['500: model.pt', '900: model.pt'],
  ],
  'a folder of numbers': ['ck/100/net.pt . ck/200/net.pt .', ['100: net.pt', '200: net.pt']],
  'parts without words': [
    'step_100/net_0.pt step_100/net_1.pt . step_200/net_0.pt step_200/net_1.pt .',
    ['100: net_0.pt net_1.pt', '200: net_0.pt net_1.pt'],
  ],
  'a series in a folder with a number': [
    'ckpt2/ck-25.pt . ckpt2/ck-50.pt . ckpt2/ck-75.pt .',
    ['25: ck.pt', '50: ck.pt', '75: ck.pt'],
  ],
  'a series in a folder that a word numbers': [
    'ckpt-2/ck-25.pt . ckpt-2/ck-50.pt .',
    ['25: ck.pt', '50: ck.pt'],
  ],
  'its steps are told': [
    '=25 step_2/net-25.pt . =50 step_2/net-50.pt .',
    ['25: net.pt', '50: net.pt'],
  ],
  'steps in folders of epochs': [
    'epoch_1/step_10.pt . epoch_1/step_20.pt . epoch_2/step_30.pt .',
    ['10: model.pt', '20: model.pt', '30: model.pt'],
  ],
  'a name that is used again, in a folder with a number': [
    'ckpt2/model.pt . ckpt2/model.pt .',
    ['null: model.pt', 'null: model.pt'],
  ],
  'folders with a number': ['ckpt2/model.pt . ckpt4/model.pt .', ['2: model.pt', '4: model.pt']],
  'a number that is the name of a network': [
    'bert-2.pt . bert-2.pt . bert-2.pt .',
    ['null: bert-2.pt', 'null: bert-2.pt', 'null: bert-2.pt'],
  ],
  'a network, and its steps': ['resnet50-step_5.pt .', ['5: resnet50.pt']],
  'variants, no steps': [
    'fold-1.pt . fold-2.pt .',
    ['null: fold-1.pt', 'null: fold-1.pt fold-2.pt'],
  ],
  'metrics alone': [
    'best-0.91.pt . -best-0.91.pt best-0.93.pt .',
    ['null: best.pt', 'null: best.pt'],
  ],
  times: [
    'ck_2026-01-02_10-30-00.pt . ck_2026-01-02_11-30-00.pt .',
    ['null: ck.pt', 'null: ck.pt'],
  ],
};

for (const [name, [deeds, checkpoints]] of Object.entries(SCHEMES)) {
  test(`checkpoints of ${name}`, async (t) => {
    const run = await follow(t, deeds);
    await run.end();
    t.deepEqual(await run.held(), checkpoints);
    t.deepEqual(run.warnings, []);
  });
}

test('a series in a numbered folder of which the trainer keeps the last: nothing is lost, however fast it is', async (t) => {
  for (const folder of ['ckpt2', 'ckpt-2', 'step_2', 'epoch_1', 'out', 'run-3', '7']) {
    for (const names of [
      ['ck-25.pt', 'ck-50.pt', 'ck-75.pt'],
      ['step_25.pt', 'step_50.pt', 'step_75.pt'],
    ]) {
      const deeds = names.flatMap((name, i) => {
        return i === 0
          ? [`${folder}/${name}`]
          : [`${folder}/${name}`, `-${folder}/${names[i - 1]}`];
      });
      // Nothing is complete by itself: there is no pause.
      const run = await follow(t, deeds.join(' '));
      await run.end();
      const common = names[0]?.startsWith('ck') ? 'ck.pt' : 'model.pt';
      const steps = [25, 50, 75].map((step) => `${step}: ${common}`);
      t.deepEqual(await run.held(), steps, `${folder} ${names[0]}`);
      const removedFirst = await follow(
        t,
        `${folder}/${names[0]} -${folder}/${names[0]} ${folder}/${names[1]} -${folder}/${names[1]} ${folder}/${names[2]}`,
      );
      await removedFirst.end();
      t.deepEqual(await removedFirst.held(), steps, `removed first: ${folder} ${names[0]}`);
    }
  }
});

test('names without numbers of which the trainer keeps the last: nothing is lost', async (t) => {
  const run = await follow(
    t,
    'out/aa.pt out/config.json out/bb.pt -out/aa.pt out/cc.pt -out/bb.pt',
  );
  await run.end();
  const held = (await run.held()).join();
  for (const name of ['aa.pt', 'bb.pt', 'cc.pt']) t.true(held.includes(name), `${name}: ${held}`);
});

test('the first of a series waits for the next where its name alone does not tell, and a step that is told is enough', async (t) => {
  const unsure = await follow(t, 'out/net-5.pt .');
  t.deepEqual(await unsure.held(), ['out/net-5.pt is writing']);
  await unsure.do('out/net-10.pt .');
  t.deepEqual(await unsure.held(), ['5: net.pt', '10: net.pt']);
  const told = await follow(t, 'out/net-5.pt =5 .');
  t.deepEqual(await told.held(), ['5: net.pt']);
  const later = await follow(t, 'out/net-5.pt =5 =6 =7 =8 =9 =10 =11 =12 =13 =14 .');
  t.deepEqual(await later.held(), ['5: net.pt']);
  const folder = 'ckpt100/net_0.pt ckpt100/net_1.pt';
  const parts = await follow(t, `=100 ${folder} =106 =107 =108 =109 =110 =111 =112 =113 =114 .`);
  t.deepEqual(await parts.held(), ['100: net_0.pt net_1.pt']);
  const alone = await follow(t, 'out/net-5.pt .');
  await alone.end();
  t.deepEqual(await alone.held(), ['null: net-5.pt']);
  const before = new Followed(await tempDir(t));
  await before.do('out/net-5.pt .');
  await before.begin();
  await before.do('out/net-10.pt .');
  t.deepEqual((await before.held()).at(-1), 'out/net-10.pt is writing');
});

test('what was removed before it was seen to be complete is told of if it does not read to its end', async (t) => {
  const run = await follow(t, 'out/step_1.pt -out/step_1.pt out/step_2.pt .');
  await run.stored(1, "'step_1.pt' is cut off");
  await run.stored(2, "'step_2.pt' is of a later format");
  t.is(run.warnings.length, 1, "what is there is the trainer's");
  t.regex(
    run.warnings[0] as string,
    /'out\/step_1\.pt' was removed before .*'step_1\.pt' is cut off/,
  );
});

test('weights above the folder in which the command runs are never looked at', async (t) => {
  const above = await tempDir(t);
  const cwd = path.join(above, 'work');
  await fs.mkdir(path.join(cwd, 'out'), { recursive: true });
  for (const file of ['a.pt', 'work/b.pt', 'work/out/step_1.pt', 'work/net-5.pt']) {
    await fs.writeFile(path.join(above, file), file);
  }
  const scanner = new Scanner({ cwd, patterns: [], logs: [] });
  for (const isWhole of [true, false, false]) {
    const { places } = await scanner.scan(isWhole);
    const found = places.flatMap(({ files }) => files.map(({ file }) => path.relative(cwd, file)));
    t.deepEqual(found.sort(), ['b.pt', 'net-5.pt', path.join('out', 'step_1.pt')]);
    t.false(scanner.folders().includes(above));
  }
});
