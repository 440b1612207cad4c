/**
 * Which tensors of a checkpoint are the parameters of a network, and how that is known: exporters fold norms
 * into convolutions, transpose matrices and count names anew. The order of the tensors in their file says nothing:
 * some formats keep that of the modules, others sort by name.
 */

import { matchNames } from '../../tensor/canonical-name.js';
import type { CountedTensor } from '../cost/parameter-counts.js';
import type { LayerView } from '../layers/layer-view.js';
import { type FoldedNorm, type FoldedPlace, foldNorms } from './fold-norms.js';
import { isLoose, type Slot, slotsOf } from './slots.js';
import { type Axes, type Evidence, type Found, fitOf, isTurnable, shapeKey } from './tensor-fit.js';
import { isNumbered, type Module, modulesOf, type NamedPart, namedParts } from './tensor-part.js';

/** A parameter of a network and the tensor of a checkpoint that it is made of. */
export interface TensorPair {
  /** Name of the parameter in the network. */
  parameter: string;
  /** Name of the tensor in the checkpoint; of a bias that only a folded norm has, that norm's shift or mean. */
  tensor: string;
  /**
   * 'name': they are called the same; 'layer': the tensor is that of the layer's name, or of the module of another
   * weight of the layer; 'shape': nothing else of this shape is left, or they differ by numbers and follow these.
   */
  evidence: Evidence;
  /** The network has the axes in another order. */
  transposed: boolean;
  /** Module of the norm that is folded into it, whose own parameters the network does not have; else null. */
  foldedNorm: string | null;
}

/** A pair with all that is needed to make the parameter. */
export interface FittedPair extends TensorPair {
  axes: Axes;
  fold: FoldedPlace | null;
  /** False for what the network says of itself: numbers that say how it works, tables of integers. */
  isRequired: boolean;
}

/** A parameter that could be several tensors. */
export interface AmbiguousParameter {
  parameter: string;
  tensors: readonly string[];
}

export interface Pairing<Pair extends TensorPair = TensorPair> {
  pairs: readonly Pair[];
  /** Parameters of the network for which nothing was found. */
  unpaired: readonly string[];
  /** Tensors of the checkpoint that are in no pair and in no folded norm; counters of batches are left out. */
  unused: readonly string[];
}

export interface TensorPairing extends Pairing<FittedPair> {
  /** Those of `unpaired` that could be several tensors. */
  ambiguous: readonly AmbiguousParameter[];
  /** Those of `unpaired` that no operator takes as weights of its own: constants, if the checkpoint has nothing for them. */
  loose: readonly string[];
}

/** Pairs the weights of a network with the tensors of a checkpoint. O(n log n) but for wide groups of equal shapes. */
export function pairTensors(view: LayerView, tensors: readonly CountedTensor[]): TensorPairing {
  const pairing = new Pairer(slotsOf(view), namedParts(tensors));
  pairing.byName();
  pairing.byLayer();
  pairing.byModule();
  pairing.byShape((slot) => slot.part === 'weight');
  pairing.byModule();
  pairing.byShape((slot) => !pairing.isBiasOfKnown(slot));
  pairing.dropUnsure();
  return pairing.result(tensors);
}

class Pairer {
  readonly #slots: readonly Slot[];
  readonly #parts: readonly NamedPart[];
  readonly #modules: ReadonlyMap<string, Module>;
  readonly #found = new Map<Slot, Found>();
  readonly #taken = new Set<NamedPart>();
  readonly #ambiguous = new Map<Slot, readonly string[]>();

  constructor(slots: readonly Slot[], parts: readonly NamedPart[]) {
    this.#slots = slots;
    this.#parts = parts;
    this.#modules = modulesOf(parts);
  }

  #take(slot: Slot, named: NamedPart | undefined, evidence: Evidence): void {
    if (named === undefined || this.#taken.has(named) || this.#found.has(slot)) return;
    const fit = fitOf(slot, named, evidence === 'name');
    if (fit === null) return;
    this.#taken.add(named);
    this.#found.set(slot, { slot, named, evidence, fit });
  }

  /** Equal names, but for what wrappers of frameworks add. */
  byName(): void {
    const byName = new Map(this.#parts.map((one) => [one.tensor.name, one]));
    const names = new Set(this.#slots.map(({ parameter }) => parameter.name));
    const pairs = matchNames(byName, names);
    for (const slot of this.#slots) {
      const name = pairs.get(slot.parameter.name);
      if (name !== undefined) this.#take(slot, byName.get(name), 'name');
    }
  }

  /** The module that a layer is called after; where the layer has the end of its name alone, the only such module. */
  byLayer(): void {
    const layers = new Set(this.#slots.map(({ layer }) => layer));
    const endings = new Map<string, string[]>();
    for (const module of this.#modules.keys()) {
      for (let at = module.indexOf('.'); at >= 0; at = module.indexOf('.', at + 1)) {
        const ending = module.slice(at + 1);
        const known = endings.get(ending);
        if (known === undefined) endings.set(ending, [module]);
        else known.push(module);
      }
    }
    for (const slot of this.#slots) {
      const { layer, part } = slot;
      if (part === null || layer === '' || !isPairable(slot)) continue;
      const whole = this.#modules.get(layer)?.get(part);
      this.#take(slot, whole, 'layer');
      const ends = endings.get(layer) ?? [];
      if (whole !== undefined || ends.length !== 1 || layers.has(`${layer}#2`)) continue;
      this.#take(slot, this.#modules.get(ends[0] as string)?.get(part), 'layer');
    }
  }

  /** Parts of the module that another weight of the same operator or layer is of. */
  byModule(): void {
    const modules = this.#modulesOfSlots();
    for (const slot of this.#slots) {
      const module = modules.get(moduleKey(slot));
      if (slot.part === null || module === undefined || !isPairable(slot)) continue;
      this.#take(slot, this.#modules.get(module)?.get(slot.part), 'layer');
    }
  }

  #modulesOfSlots(): Map<string, string> {
    const modules = new Map<string, string>();
    for (const { slot, named } of this.#found.values()) {
      if (named.part !== null && slot.part !== null) modules.set(moduleKey(slot), named.module);
    }
    return modules;
  }

  /** True for the bias of a layer whose weight is known: the checkpoint has it in that module, or a norm makes it. */
  isBiasOfKnown(slot: Slot): boolean {
    return slot.part === 'bias' && this.#modulesOfSlots().has(moduleKey(slot));
  }

  /** Slots and tensors of one part and shape: the only ones, or those that differ by numbers and follow these. */
  byShape(isMeant: (slot: Slot) => boolean): void {
    const slots = this.#slots.filter(
      (slot) => slot.isRequired && !this.#found.has(slot) && isPairable(slot) && isMeant(slot),
    );
    const norms = new Set(
      [...this.#modules].filter(([, parts]) => parts.has('mean')).map(([module]) => module),
    );
    const free = this.#parts.filter((one) => !this.#taken.has(one));
    const groups = groupBy(free, (one) => {
      const isNorm = norms.has(one.module) && one.part !== null;
      return groupKey(isNorm, one.part, shapeKey(one.tensor.shape, one.word === 'kernel'));
    });
    const wanted = groupBy(slots, (slot) => {
      const isNorm = slot.op === 'BatchNormalization';
      const isKernel = slot.op.startsWith('Conv') && this.#hasKernels;
      return groupKey(isNorm, slot.part, shapeKey(slot.parameter.shape, isKernel));
    });
    for (const [key, own] of wanted) {
      const isPlain = / null /.test(key);
      const other = key.replace(/ \w+ /, isPlain ? ' weight ' : ' null ');
      const others = groups.get(key) ?? groups.get(other) ?? [];
      if (others.length === 0) continue;
      if (others.length === own.length && isNumbered(others.map(({ module }) => module))) {
        for (const [i, slot] of own.entries()) this.#take(slot, others[i], 'shape');
      } else {
        const names = others.map(({ tensor }) => tensor.name);
        for (const slot of own) this.#ambiguous.set(slot, names);
      }
    }
  }

  get #hasKernels(): boolean {
    return this.#parts.some(({ word }) => word === 'kernel');
  }

  /** Turns square matrices as others of the same network lie; leaves out those of which nothing says how they lie. */
  dropUnsure(): void {
    const found = [...this.#found.values()];
    const named = found.filter(({ evidence }) => evidence === 'name');
    const waysOfNamed = new Set(
      named
        .filter(({ slot, named: { word }, fit }) => isTurnable(slot, word) && !fit.isSquare)
        .map(({ fit }) => fit.axes !== null),
    );
    const isOdd = found.some(
      ({ evidence, fit }) => evidence !== 'name' && fit.isOdd && !fit.isSquare,
    );
    for (const one of found) {
      const { evidence, fit } = one;
      if (!fit.isSquare) continue;
      if (evidence !== 'name' ? !isOdd && !fit.isOdd : waysOfNamed.size === 1) {
        // What has the name of the checkpoint's matrix may yet hold it turned, as the others of the file do.
        if (evidence === 'name' && waysOfNamed.has(true)) fit.axes = [1, 0];
      } else this.#leaveOut(one);
    }
  }

  #leaveOut({ slot, named }: Found): void {
    this.#found.delete(slot);
    this.#taken.delete(named);
    this.#ambiguous.set(slot, [named.tensor.name, `${named.tensor.name} transposed`]);
  }

  result(tensors: readonly CountedTensor[]): TensorPairing {
    const { places, used } = foldNorms({
      slots: this.#slots,
      found: this.#found,
      modules: this.#modules,
    });
    const pairs: FittedPair[] = [];
    const missing: Slot[] = [];
    for (const slot of this.#slots) {
      const found = this.#found.get(slot);
      const fold = places.get(slot) ?? null;
      const parameter = slot.parameter.name;
      const foldedNorm = fold?.norm.module ?? null;
      const { isRequired } = slot;
      if (found !== undefined) {
        const { named, evidence, fit } = found;
        const tensor = named.tensor.name;
        const { axes } = fit;
        pairs.push({
          ...{ parameter, tensor, evidence, transposed: axes !== null },
          ...{ foldedNorm, axes, fold, isRequired },
        });
      } else if (fold !== null) {
        const tensor = shiftOf(fold.norm);
        pairs.push({
          ...{ parameter, tensor, evidence: 'layer', transposed: false },
          ...{ foldedNorm, axes: null, fold, isRequired },
        });
      } else if (slot.isRequired) missing.push(slot);
    }
    for (const { tensor } of this.#taken) used.add(tensor.name);
    const names = (slots: readonly Slot[]): string[] =>
      slots.map(({ parameter }) => parameter.name);
    return {
      pairs,
      unpaired: names(missing),
      unused: tensors
        .map(({ name }) => name)
        .filter((name) => !used.has(name) && !COUNTER.test(name)),
      ambiguous: missing.flatMap((slot) => {
        const free = this.#ambiguous.get(slot)?.filter((name) => !used.has(name)) ?? [];
        return free.length === 0 ? [] : [{ parameter: slot.parameter.name, tensors: free }];
      }),
      loose: names(missing.filter(isLoose)),
    };
  }
}

/** Batches that a norm has seen: it computes nothing with them. */
const COUNTER = /(^|[._/])num_batches_tracked$/;

/** The tensor that a bias is called after if only a norm has one. */
function shiftOf({ parts }: FoldedNorm): string {
  return (parts.get('bias') ?? (parts.get('mean') as NamedPart)).tensor.name;
}

/** The gates of recurrent layers are in another order in each framework, so their shapes say nothing. */
function isPairable({ kind }: Slot): boolean {
  return kind !== 'rnn';
}

/** Weights of one layer are of one module; those of a batch norm behind a convolution are of another. */
function moduleKey({ layer, op, node }: Slot): string {
  return op === 'BatchNormalization' ? `=${node}` : layer === '' ? `=${node}` : layer;
}

function groupKey(isNorm: boolean, part: string | null, shape: string): string {
  return `${isNorm ? 'norm' : 'other'} ${part} ${shape}`;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [item]);
    else known.push(item);
  }
  return groups;
}
