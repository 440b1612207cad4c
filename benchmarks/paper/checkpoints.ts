/**
 * Checkpoints for the tables of the paper: networks trained on the shipped digits, in the three
 * relations that it tells apart, and what a folder of real checkpoints adds to them.
 */
import fs from 'node:fs/promises';
import path from 'node:path';
import { expectedPairs, findByTail } from '../codec/expectations.js';
import {
  findModels,
  guessPairs,
  inOrder,
  type ModelFile,
  type Pair,
  pairName,
  readModel,
  signature,
} from '../codec/models.js';
import { type ChainOptions, type Checkpoint, trainChain } from '../train/chain.js';

/** How two models are related: trained alike, one fine-tuned from the other, two states of one run. */
export const SCENARIOS = ['similar', 'fine-tuning', 'snapshots'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export interface PaperPair {
  scenario: Scenario;
  pair: Pair;
  name: string;
}

export interface PaperData {
  pairs: PaperPair[];
  /** Checkpoints of one network in the order of time. */
  chain: ModelFile[];
  /** Networks that can be run, by name. */
  networks: { name: string; checkpoint: Checkpoint }[];
}

const WIDE: ChainOptions = {
  hidden: [512, 512],
  seed: 7,
  steps: 240,
  checkpoints: [120, 160, 200, 240],
};
/** Nine layers: bounds widen from layer to layer. */
const DEEP: ChainOptions = {
  hidden: [96, 96, 96, 96, 96, 96, 96, 96],
  seed: 5,
  steps: 600,
  checkpoints: [600],
  optimizer: 'adam',
};

/** Trains what the tables need, and takes the pairs of `folder` in if there is one. */
export async function makePaperData(scratch: string, folder: string | null): Promise<PaperData> {
  const last = (chain: readonly Checkpoint[]): Checkpoint => chain.at(-1) as Checkpoint;
  const run = await trainChain(WIDE);
  const twin = await trainChain({ ...WIDE, seed: 8, checkpoints: [240] });
  const tuned = await trainChain({
    from: last(run),
    seed: 9,
    steps: 60,
    rate: 0.005,
    checkpoints: [20, 60],
  });
  const head = await trainChain({
    from: last(run),
    seed: 10,
    steps: 40,
    rate: 0.01,
    headOnly: true,
    checkpoints: [40],
  });
  const small = await trainChain({ ...WIDE, hidden: [64], steps: 600, checkpoints: [600] });
  const deep = await trainChain(DEEP);
  const save = async (name: string, { weights }: Checkpoint): Promise<ModelFile> => {
    const file = path.join(scratch, `${name}.safetensors`);
    await fs.writeFile(file, weights);
    return (await readModel(file, name)) as ModelFile;
  };
  const states = [...run, ...tuned];
  const chain: ModelFile[] = [];
  for (const state of states) chain.push(await save(`digits-${state.step}`, state));
  const at = (index: number): ModelFile => chain[index] as ModelFile;
  const trained = run.length - 1;
  const made: [Scenario, ModelFile, ModelFile][] = [
    ['similar', at(trained), await save('digits-twin', last(twin))],
    ['fine-tuning', at(trained), at(trained + 2)],
    ['fine-tuning', at(trained), await save('digits-head', last(head))],
    ['snapshots', at(trained - 1), at(trained)],
  ];
  const pairs = made.map(([scenario, base, child]): PaperPair => {
    return { scenario, pair: { base, child }, name: pairName({ base, child }) };
  });
  const data: PaperData = {
    pairs,
    chain,
    networks: [
      { name: 'MLP 64-64-10', checkpoint: last(small) },
      { name: 'MLP 64-512-512-10', checkpoint: last(run) },
      { name: 'MLP 64-8×96-10', checkpoint: last(deep) },
    ],
  };
  if (folder !== null) await addFolder(data, folder);
  return data;
}

async function addFolder(data: PaperData, folder: string): Promise<void> {
  const models = await findModels(folder);
  // Neighbours of one folder; from folder to folder only what is known to be related.
  const guessed = guessPairs(models).filter(({ child, base }) => {
    const [from, to] = [base as ModelFile, child].map(({ name }) => path.posix.parse(name));
    return from?.dir === to?.dir && from?.name !== to?.name && from?.ext === to?.ext;
  });
  for (const pair of [...expectedPairs(models), ...guessed]) {
    if (pair.base === null || pair.child.extents.some(({ width }) => width !== 4)) continue;
    const name = pairName(pair);
    if (data.pairs.some((known) => known.name === name)) continue;
    data.pairs.push({ scenario: scenarioOf(pair), pair, name });
  }
  const families = new Map<string, ModelFile[]>();
  for (const model of models) {
    families.set(signature(model), [...(families.get(signature(model)) ?? []), model]);
  }
  const largest = [...families.values()].sort((a, b) => b.length - a.length)[0] ?? [];
  if (largest.length > 1) data.chain = inOrder(largest);
  const twin = [findByTail(models, 'sgd/12-step03000.safetensors')];
  twin.push(findByTail(models, 'adam/12-step03000.safetensors'));
  const [base, child] = twin;
  if (base && child && !data.pairs.some(({ pair }) => pair.base === base && pair.child === child)) {
    const pair = { base, child };
    data.pairs.push({ scenario: 'similar', pair, name: pairName(pair) });
  }
}

/** Folders are runs; fine-tunes have 'ft-' in the name of the file or of its folder. */
function scenarioOf({ base, child }: Pair): Scenario {
  const [from, to] = [base as ModelFile, child].map(({ name }) => name) as [string, string];
  const isTuned = (name: string): boolean => /(^|[/-])ft-/.test(name);
  if (isTuned(to) && !isTuned(from)) return 'fine-tuning';
  return path.posix.dirname(from) === path.posix.dirname(to) ? 'snapshots' : 'similar';
}
