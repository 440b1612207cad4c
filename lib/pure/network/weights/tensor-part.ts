/**
 * What the name of a checkpoint's tensor says: the module it is of, and what it is there. PyTorch says
 * `layer1.0.bn1.running_mean`, Keras `bn1/moving_mean:0`, flat archives `conv1_weight`.
 */
import { byCanonicalName } from '../../tensor/canonical-name.js';
import type { CountedTensor } from '../cost/parameter-counts.js';

/** What a tensor is in its layer; γ of a norm is its weight and β its bias. */
export type Part = 'weight' | 'bias' | 'mean' | 'variance';

const PARTS = new Map<string, Part>([
  ...['weight', 'weights', 'kernel', 'gamma', 'scale', 'w', 'w_0'].map((word): [string, Part] => [
    word,
    'weight',
  ]),
  ...['bias', 'biases', 'beta', 'b', 'b_0'].map((word): [string, Part] => [word, 'bias']),
  ...['running_mean', 'moving_mean', 'mean', '_mean'].map((word): [string, Part] => [word, 'mean']),
  ...['running_var', 'moving_variance', 'moving_var', 'variance', 'var', '_variance'].map(
    (word): [string, Part] => [word, 'variance'],
  ),
]);
/** The same behind an underscore, in names that have no other separator there. */
const FLAT =
  /^(.+?)_(weight|kernel|gamma|bias|beta|running_mean|moving_mean|running_var|moving_variance)$/;

/** A tensor of a checkpoint with what its name says. */
export interface NamedPart {
  tensor: CountedTensor;
  /** Its module, with points, and without what wrappers of frameworks add: 'layer1.0.bn1'; '' is the root. */
  module: string;
  /** null: the name does not say. */
  part: Part | null;
  /** The last word of the name: 'kernel'. */
  word: string;
}

/** The words of a name: 'a/b.c:0' is a, b and c. */
function wordsOf(name: string): string[] {
  return name
    .replace(/:\d+$/, '')
    .split(/[./]/)
    .filter((word) => word !== '');
}

function readName(tensor: CountedTensor, name: string): NamedPart {
  const words = wordsOf(name);
  const word = words.pop() ?? '';
  const part = PARTS.get(word);
  if (part !== undefined) return { tensor, module: words.join('.'), part, word };
  const [, stem = '', last = ''] = FLAT.exec(word) ?? [];
  const flat = PARTS.get(last) ?? null;
  if (flat === null) return { tensor, module: words.join('.'), part: null, word };
  return { tensor, module: [...words, stem].join('.'), part: flat, word: last };
}

/** Reads the names of all tensors, in the natural order of their names, whatever order the file has. */
export function namedParts(tensors: readonly CountedTensor[]): NamedPart[] {
  const canonical = new Map<string, string>();
  for (const [form, name] of byCanonicalName(tensors.map(({ name }) => name))) {
    canonical.set(name, form);
  }
  return tensors
    .map((tensor) => readName(tensor, canonical.get(tensor.name) ?? tensor.name))
    .sort((a, b) => compareNames(a.tensor.name, b.tensor.name));
}

/** The tensors of a module by what they are. */
export type Module = ReadonlyMap<Part, NamedPart>;

/** Modules by name; a part that two tensors claim is not there. */
export function modulesOf(parts: readonly NamedPart[]): Map<string, Module> {
  const modules = new Map<string, Map<Part, NamedPart>>();
  const twice: { module: string; part: Part }[] = [];
  for (const one of parts) {
    const { module, part } = one;
    if (part === null) continue;
    const own = modules.get(module) ?? new Map<Part, NamedPart>();
    modules.set(module, own);
    if (own.has(part)) twice.push({ module, part });
    else own.set(part, one);
  }
  for (const { module, part } of twice) modules.get(module)?.delete(part);
  return modules;
}

/** A module's name in two: 'layer1.0' and 'bn1'. */
export function splitModule(module: string): { parent: string; leaf: string } {
  const at = module.lastIndexOf('.');
  return { parent: module.slice(0, Math.max(0, at)), leaf: module.slice(at + 1) };
}

/** Orders names with their numbers as numbers: 'block2' before 'block10'. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.split(/(\d+)/)) as [string[], string[]];
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const [one, other] = [left[i] as string, right[i] as string];
    if (one === other) continue;
    const difference = i % 2 === 1 ? Number(one) - Number(other) : 0;
    if (difference !== 0) return difference;
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}

/** True if modules in their natural order differ first in a number each, as the members of lists do. */
export function isNumbered(modules: readonly string[]): boolean {
  return modules.every((module, i) => {
    const before = modules[i - 1];
    return before === undefined || differInNumber(before.split('.'), module.split('.'));
  });
}

function differInNumber(before: readonly string[], after: readonly string[]): boolean {
  const at = before.findIndex((word, i) => word !== after[i]);
  const [one, other] = [before[at], after[at]];
  if (one === undefined || other === undefined) return false;
  return /\d$/.test(one) && one.replace(/\d+$/, '') === other.replace(/\d+$/, '');
}
