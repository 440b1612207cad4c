/**
 * The numbers in the name of a file or folder, as far as they may number checkpoints. One name alone often does not
 * tell: 'ck-2.pt' may be the second checkpoint or the second network. Whoever sees several names of a run does.
 */

/** A whole number in a name that may be that of a checkpoint. */
export interface NameNumber {
  value: number;
  /** True for '0005': somebody made room for more. */
  isPadded: boolean;
  /** Which word stands beside it; null for none. */
  word: 'step' | 'epoch' | 'checkpoint' | null;
  /** True if nothing separates it from the word before it: 'ckpt2'. */
  isGlued: boolean;
}

export interface NumberedName {
  /** The name with a star for all that may differ from checkpoint to checkpoint: 'ck-*.pt', '*-*.keras'. */
  common: string;
  /** In the order of the name; empty if only metrics and times differ. */
  numbers: NameNumber[];
}

/** Times and dates, decimal numbers, whole numbers. */
const NUMBERS =
  /\d{4}-?\d{2}-?\d{2}(?:[-_T ]?\d{2}[-_:h]?\d{2}(?:[-_:m]?\d{2})?)?(?!\d)|\d+(?:\.\d+)+(?![A-Za-z0-9])|\d+/g;
const STEP = /(?<![a-z])(?:global[-_]?step|step|iter(?:ation)?)s?[-_=.]?$/i;
const EPOCH = /(?<![a-z])epochs?[-_=.]?$/i;
const CHECKPOINT = /(?<![a-z])(?:checkpoint|ckpt)s?[-_=.]?$/i;
const STEP_AFTER = /^[-_]?(?:step|iter(?:ation)?)s?(?![a-z]|[-_=.]?\d)/i;
const EPOCH_AFTER = /^[-_]?epochs?(?![a-z]|[-_=.]?\d)/i;
/** Words before numbers that tell parts, variants and settings apart, none of them a moment of a training. */
const OTHER =
  /(?<![a-z])(?:ranks?|shards?|parts?|folds?|seeds?|layers?|blocks?|experts?|stages?|phases?|gpu|node|worker|[tpdm]p|fsdp|ver|version|exp|run|trial|lr|bs|batch|size|dim|width|depth|heads?|top|consolidated)[-_=.]?$/i;
/** Files of which each checkpoint has several. */
const PARTS = /-\d+-of-\d+|_(?:model|optim)_states\.pt$|\.distcp$/;
const DIGITS_MAX = 15;

/** What may number a name; null if nothing in it does. */
export function numberedName(name: string): NumberedName | null {
  if (PARTS.test(name)) return null;
  const ending = /\.[A-Za-z][A-Za-z0-9]*$/.exec(name)?.index ?? name.length;
  const numbers: NameNumber[] = [];
  let hasStar = false;
  const common = name.slice(0, ending).replace(NUMBERS, (digits: string, at: number) => {
    const before = name.slice(0, at);
    const after = name.slice(at + digits.length, ending);
    const number = isWhole(digits) ? numberAt(digits, before, after) : null;
    if (number !== null) numbers.push(number);
    // '7b', 'resnet50' and 'fold-5' are of the network or of the run.
    else if (isWhole(digits) || /[a-z]$/i.test(before) || OTHER.test(before)) return digits;
    hasStar = true;
    return '*';
  });
  return hasStar ? { common: common + name.slice(ending), numbers } : null;
}

function isWhole(digits: string): boolean {
  return /^\d+$/.test(digits) && !/^(19|20)\d{6}$/.test(digits);
}

function numberAt(digits: string, before: string, after: string): NameNumber | null {
  if (digits.length > DIGITS_MAX) return null;
  const isGlued = /[a-z]$/i.test(before);
  const told = wordOf(before, isGlued ? '' : after);
  if (told === null && (isGlued || /^[a-z]/i.test(after) || OTHER.test(before))) return null;
  return { value: Number(digits), isPadded: /^0\d{3}/.test(digits), word: told, isGlued };
}

function wordOf(before: string, after: string): NameNumber['word'] {
  if (STEP.test(before) || STEP_AFTER.test(after)) return 'step';
  if (EPOCH.test(before) || EPOCH_AFTER.test(after)) return 'epoch';
  return CHECKPOINT.test(before) && !/^[a-z]/i.test(after) ? 'checkpoint' : null;
}

/** How much a word says: a name that has both is numbered by steps. */
const WEIGHT = { step: 3, epoch: 2, checkpoint: 1 };

/** The number of a name that says most: a step, else an epoch, else the last one; null if it has none. */
export function bestNumber({ numbers }: NumberedName): NameNumber | null {
  let best: NameNumber | null = null;
  for (const one of numbers) if (best === null || weight(one) >= weight(best)) best = one;
  return best;
}

/** A checkpoint's number and a plain one weigh the same: 'checkpoint_3_1200.pt' is that of update 1200. */
function weight({ word }: NameNumber): number {
  return word === null ? WEIGHT.checkpoint : WEIGHT[word];
}
