/** What it means that a network does not take some tensors of a checkpoint. */
import { type CountedTensor, countOf, isBuffer } from '../cost/parameter-counts.js';
import { type NamedPart, namedParts, splitModule } from './tensor-part.js';

/** Tensors of a checkpoint that a network does not take. */
export interface Leftovers {
  /** Weights that change what the network computes. */
  missed: readonly string[];
  /** Whole branches that the network does not have, such as heads for training alone: module, tensors, elements. */
  branches: readonly { module: string; tensors: number; elements: number }[];
}

/** Weights beside those of a layer that change it. */
const ADAPTER = /(^|[._])(lora|lokr|hada|loha|ia3|adapter|dora|oft)([._]|$)|lora_/i;

/**
 * Tells branches that a network leaves out from weights that it should have taken. Buffers that hold no statistics
 * say how a network works, and the network says that itself.
 * @param unused  names of tensors that nothing takes.
 */
export function judgeLeftovers(
  tensors: readonly CountedTensor[],
  unused: ReadonlySet<string>,
): Leftovers {
  const parts = namedParts(tensors);
  const inUse = new Set<string>();
  /** Modules that are used, without the number at their end. */
  const numbered = new Set<string>();
  for (const one of parts) {
    if (unused.has(one.tensor.name) || saysHow(one)) continue;
    for (const above of ancestorsOf(one.module)) {
      inUse.add(above);
      if (/\d$/.test(above)) numbered.add(withoutNumber(above));
    }
  }
  const layers = new Set(
    parts.flatMap((one) => (unused.has(one.tensor.name) || saysHow(one) ? [] : [one.module])),
  );
  const missed: string[] = [];
  const branches = new Map<string, NamedPart[]>();
  for (const one of parts) {
    const { tensor, module } = one;
    if (!unused.has(tensor.name) || countOf(tensor.shape) === 0 || saysHow(one)) continue;
    const root = ancestorsOf(module).find((above) => !inUse.has(above));
    const isBranch =
      root !== undefined &&
      root !== '' &&
      !layers.has(splitModule(root).parent || '\0') &&
      !(/\d$/.test(root) && numbered.has(withoutNumber(root))) &&
      !ADAPTER.test(tensor.name);
    if (!isBranch) missed.push(tensor.name);
    else branches.set(root, [...(branches.get(root) ?? []), one]);
  }
  const whole = [...branches].filter(([, own]) => {
    if (own.some(({ tensor }) => tensor.shape.length > 1)) return true;
    for (const { tensor } of own) missed.push(tensor.name);
    return false;
  });
  return {
    missed,
    branches: whole.map(([module, own]) => ({
      module,
      tensors: own.length,
      elements: own.reduce((sum, { tensor }) => sum + countOf(tensor.shape), 0),
    })),
  };
}

/** True for counters, positions and masks: buffers that are no statistics of a norm. */
function saysHow({ tensor, part }: NamedPart): boolean {
  return isBuffer(tensor) && part !== 'mean' && part !== 'variance';
}

/** A module and those around it, the outermost first: a, a.b, a.b.c. */
function ancestorsOf(module: string): string[] {
  const words = module.split('.');
  return words.map((_, i) => words.slice(0, i + 1).join('.'));
}

/** A module without the number at its end: of layer1 and layer2, blocks.3 and blocks.4 one is not left out alone. */
function withoutNumber(module: string): string {
  return module.replace(/\d+$/, '');
}
