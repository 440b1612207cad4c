/**
 * Which batch norms of a checkpoint a network has folded into its convolutions and products: told by names and by the
 * network's structure. A layer with a norm folded in has a bias; one whose bias the checkpoint does not have needs a
 * norm. What is not sure stays untied, which its callers see: the bias finds no tensor, or the norm no use.
 */
import type { LayerKind } from '../layers/kinds.js';
import type { Slot } from './slots.js';
import type { Found } from './tensor-fit.js';
import { compareNames, type Module, type NamedPart, splitModule } from './tensor-part.js';

/** A batch norm of the checkpoint. */
export interface FoldedNorm {
  module: string;
  /** mean and variance, and weight (γ) and bias (β) where it has them. */
  parts: Module;
}

/** What a folded norm does to one parameter of the network. */
export interface FoldedPlace {
  norm: FoldedNorm;
  part: 'weight' | 'bias';
  /** Of weights: the axis of the parameter that counts outputs, and how many groups that counts anew. */
  axis: 0 | 1;
  groups: number;
}

/** A layer of the network that a norm can be folded into. */
interface Target {
  weight: Slot;
  bias: Slot;
  /** Module of the weight in the checkpoint. */
  module: string;
  channels: number;
  axis: 0 | 1;
  /** True if nothing else than a norm makes its bias. */
  isNeedy: boolean;
}

export interface FoldQuestion {
  slots: readonly Slot[];
  found: ReadonlyMap<Slot, Found>;
  modules: ReadonlyMap<string, Module>;
}

export interface FoldAnswer {
  places: Map<Slot, FoldedPlace>;
  /** Names of the tensors of norms that are folded in. */
  used: Set<string>;
}

const FOLDABLE: ReadonlySet<LayerKind> = new Set<LayerKind>(['conv', 'deconv', 'full']);

/** Ties norms to layers. O(layers · norms of one parent). */
export function foldNorms(question: FoldQuestion): FoldAnswer {
  const tie = new Ties(question);
  tie.run();
  const answer: FoldAnswer = { places: new Map(), used: new Set() };
  for (const [norm, { weight, bias, axis }] of tie.made) {
    const groups = weight.op === 'ConvTranspose' ? weight.groups : 1;
    answer.places.set(weight, { norm, part: 'weight', axis, groups });
    answer.places.set(bias, { norm, part: 'bias', axis: 0, groups: 1 });
    for (const { tensor } of norm.parts.values()) answer.used.add(tensor.name);
  }
  return answer;
}

class Ties {
  readonly made = new Map<FoldedNorm, Target>();
  readonly #question: FoldQuestion;
  #targets: Target[];
  #norms: FoldedNorm[];
  readonly #paired: ReadonlyMap<string, Slot>;
  /** Modules with a matrix or a kernel, by the module around them. */
  readonly #weighty = new Map<string, string[]>();
  /** Numbers of the members of lists that are or hold such modules, by the list. */
  readonly #members = new Map<string, Set<number>>();

  constructor(question: FoldQuestion) {
    this.#question = question;
    const { slots, found, modules } = question;
    this.#targets = targetsOf(slots, found);
    const paired = new Map<string, Slot>();
    for (const { slot, named } of found.values()) {
      if (named.part === 'weight') paired.set(named.module, slot);
    }
    this.#paired = paired;
    for (const [module, parts] of modules) {
      if ((parts.get('weight')?.tensor.shape.length ?? 0) < 2) continue;
      const { parent } = splitModule(module);
      const own = this.#weighty.get(parent);
      if (own === undefined) this.#weighty.set(parent, [module]);
      else own.push(module);
      this.#addMembers(module);
    }
    const taken = new Set([...found.values()].map(({ named }) => named));
    this.#norms = normsOf(modules, taken);
  }

  #addMembers(module: string): void {
    const words = module.split('.');
    for (const [i, word] of words.entries()) {
      if (!/^\d{1,9}$/.test(word)) continue;
      const list = words.slice(0, i).join('.');
      const members = this.#members.get(list);
      if (members === undefined) this.#members.set(list, new Set([Number(word)]));
      else members.add(Number(word));
    }
  }

  run(): void {
    // Layers that need a norm go first: others may have a bias of their own alone.
    for (const wants of [true, false]) {
      for (const step of [this.#byWord, this.#byNumber, this.#byParent, this.#byShape]) {
        this.#tie(
          step.call(
            this,
            this.#targets.filter(({ isNeedy }) => isNeedy || !wants),
          ),
        );
      }
    }
  }

  #tie(pairs: readonly [FoldedNorm, Target][]): void {
    const targets = countBy(pairs, ([, target]) => target);
    const norms = countBy(pairs, ([norm]) => norm);
    for (const [norm, target] of pairs) {
      if (targets.get(target) !== 1 || norms.get(norm) !== 1) continue;
      this.made.set(norm, target);
      this.#norms = this.#norms.filter((one) => one !== norm);
      this.#targets = this.#targets.filter((one) => one !== target);
    }
  }

  /** bn1 and conv1, conv2_block1_1_bn and conv2_block1_1_conv, norm and conv. */
  #byWord(targets: readonly Target[]): [FoldedNorm, Target][] {
    const byModule = new Map(targets.map((target) => [target.module, target]));
    const all = new Map(this.#targets.map((target) => [target.module, target]));
    return [...groupByParent(this.#norms)].flatMap(([parent, norms]) => {
      if (!this.#isBehindItsNamesake(parent)) return [];
      const pairs: [FoldedNorm, Target][] = [];
      for (const norm of norms) {
        const namesakes = this.#namesakesOf(norm.module, parent);
        const fits = (module: string): boolean => all.get(module)?.channels === channelsOf(norm);
        // Its namesakes take no norm: here names say something else, as where norms come first.
        if (namesakes.length > 0 && !namesakes.some(fits)) return [];
        for (const module of namesakes.filter(fits)) {
          const target = byModule.get(module);
          if (target !== undefined) pairs.push([norm, target]);
        }
      }
      return pairs;
    });
  }

  /** False if a norm that the network did not fold stands elsewhere than behind what its name says. */
  #isBehindItsNamesake(parent: string): boolean {
    for (const { slot, named } of this.#question.found.values()) {
      if (named.part !== 'mean' || slot.op !== 'BatchNormalization') continue;
      if (splitModule(named.module).parent !== parent) continue;
      const namesakes = this.#namesakesOf(named.module, parent);
      const isBehind = (module: string): boolean =>
        this.#paired.get(module)?.parameter.name === slot.behind;
      if (namesakes.length > 0 && !namesakes.some(isBehind)) return false;
    }
    return true;
  }

  #namesakesOf(norm: string, parent: string): string[] {
    const own = splitModule(norm).leaf;
    const rest = tagOf(own, NORM_WORDS);
    if (rest === null) return [];
    return (this.#weighty.get(parent) ?? []).filter((module) => {
      const { leaf } = splitModule(module);
      return plain(leaf) === rest || tagOf(leaf, LAYER_WORDS) === rest;
    });
  }

  /** In a list of modules the last one with weights before it. */
  #byNumber(targets: readonly Target[]): [FoldedNorm, Target][] {
    const byModule = new Map(targets.map((target) => [target.module, target]));
    return this.#norms.flatMap((norm): [FoldedNorm, Target][] => {
      const { parent, leaf } = splitModule(norm.module);
      if (!/^\d+$/.test(leaf)) return [];
      const before = [...(this.#members.get(parent) ?? [])].filter((one) => one < Number(leaf));
      const prefix = parent === '' ? '' : `${parent}.`;
      const target = byModule.get(`${prefix}${Math.max(-1, ...before)}`);
      return target?.channels === channelsOf(norm) ? [[norm, target]] : [];
    });
  }

  /** As many norms as layers in one module: in the order in which the network runs the layers. */
  #byParent(targets: readonly Target[]): [FoldedNorm, Target][] {
    return [...groupByParent(this.#norms)].flatMap(([parent, norms]) => {
      const own = targets.filter(({ module }) => splitModule(module).parent === parent);
      if (own.length !== norms.length || norms.some((norm) => this.#isOfUnused(norm))) return [];
      const pairs = norms.map((norm, i): [FoldedNorm, Target] => [norm, own[i] as Target]);
      return pairs.every(([norm, { channels }]) => channels === channelsOf(norm)) ? pairs : [];
    });
  }

  /** The only norm and the only layer of as many channels. */
  #byShape(targets: readonly Target[]): [FoldedNorm, Target][] {
    return this.#norms
      .filter((norm) => !this.#isOfUnused(norm))
      .flatMap((norm) => {
        const fitting = targets.filter(({ channels }) => channels === channelsOf(norm));
        return fitting.map((target): [FoldedNorm, Target] => [norm, target]);
      });
  }

  /** True if it stands beside layers that the network does not have, as in a head for training alone. */
  #isOfUnused({ module }: FoldedNorm): boolean {
    const beside = this.#weighty.get(splitModule(module).parent) ?? [];
    return beside.some((one) => !this.#paired.has(one));
  }
}

function targetsOf(slots: readonly Slot[], found: ReadonlyMap<Slot, Found>): Target[] {
  const biases = new Map<string, Slot>();
  for (const slot of slots) {
    if (slot.part === 'bias' && slot.op !== 'BatchNormalization') biases.set(slot.layer, slot);
  }
  return slots.flatMap((weight): Target[] => {
    const bias = biases.get(weight.layer);
    const named = found.get(weight)?.named;
    const { kind, part, op, parameter, order, groups } = weight;
    if (!FOLDABLE.has(kind) || part !== 'weight' || op === 'BatchNormalization') return [];
    if (bias === undefined || named === undefined) return [];
    const axis = op === 'ConvTranspose' || order === 'in-out' ? 1 : 0;
    const channels = (parameter.shape[axis] ?? 0) * (op === 'ConvTranspose' ? groups : 1);
    const isNeedy = !found.has(bias);
    return [{ weight, bias, module: named.module, channels, axis, isNeedy }];
  });
}

/** Norms of which the network has no part, in the natural order of their names. */
function normsOf(
  modules: ReadonlyMap<string, Module>,
  taken: ReadonlySet<NamedPart>,
): FoldedNorm[] {
  const norms: FoldedNorm[] = [];
  for (const [module, parts] of modules) {
    const mean = parts.get('mean')?.tensor.shape;
    if (mean?.length !== 1 || !parts.has('variance')) continue;
    const fits = [...parts.values()].every(
      (one) => !taken.has(one) && one.tensor.shape.length === 1 && one.tensor.shape[0] === mean[0],
    );
    if (fits) norms.push({ module, parts });
  }
  return norms.sort((a, b) => compareNames(a.module, b.module));
}

function channelsOf({ parts }: FoldedNorm): number {
  return parts.get('mean')?.tensor.shape[0] ?? 0;
}

/** Words for a norm and for a layer in front of it, the longest first. */
const NORM_WORDS = /batch_?normalization|normalization|batch_?norm|norm|bn/gi;
const LAYER_WORDS =
  /separable_conv2d|depthwise_conv2d|conv2d_transpose|convolution|conv_?transpose|deconv|conv[123]d|conv|linear|dense|lin|fc|proj/gi;

/** A name without the last of some words in it: conv2_block1_1_conv → conv2block11; null if it has none. */
function tagOf(leaf: string, words: RegExp): string | null {
  const last = [...leaf.matchAll(words)].at(-1);
  if (last === undefined) return null;
  return plain(leaf.slice(0, last.index) + leaf.slice(last.index + last[0].length));
}

function plain(name: string): string {
  return name
    .replace(/[^A-Za-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
    .toLowerCase();
}

function groupByParent(norms: readonly FoldedNorm[]): Map<string, FoldedNorm[]> {
  const groups = new Map<string, FoldedNorm[]>();
  for (const norm of norms) {
    const { parent } = splitModule(norm.module);
    groups.set(parent, [...(groups.get(parent) ?? []), norm]);
  }
  return groups;
}

function countBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
