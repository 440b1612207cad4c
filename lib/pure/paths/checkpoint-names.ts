/**
 * What the names of a trainer's files say: which step a path belongs to, which checkpoints are one
 * series, and what a file beside the weights is for. The one table of such names.
 *
 * A name says what content does not: the state of a random generator is a tensor as any other.
 */

/** What the trainer of Hugging Face knows of the training, in each of its checkpoints. */
export const TRAINER_STATE = 'trainer_state.json';

/** What a file of a checkpoint is for, beside the weights, as far as its name tells. */
export type NamedRole =
  | 'optimizer'
  | 'scheduler'
  | 'rng'
  | 'scaler'
  | 'trainer'
  | 'tokenizer'
  | 'config';

/** Base names, in lower case, by role. Of PyTorch, transformers, accelerate, DeepSpeed and PEFT. */
const FILE_ROLES: readonly (readonly [NamedRole, RegExp])[] = [
  ['optimizer', /^optim(izer)?([_-]?\d+)?\.(pt|pth|bin|pkl|safetensors|npz|ckpt)$/],
  ['optimizer', /_optim_states\.pt$/],
  ['scheduler', /^(lr_?)?scheduler([_-]?\d+)?\.(pt|pth|bin|pkl)$/],
  ['rng', /^(rng_states?|random_states?)([_-]?\d+)?\.(pt|pth|bin|pkl|npz|npy)$/],
  ['scaler', /^(grad_?)?scaler([_-]?\d+)?\.(pt|pth|bin)$/],
  ['trainer', /^training_args\.(bin|json)$|^trainer_state\.json$/],
  ['trainer', /^(all|train|eval|test|predict)_results\.json$/],
  ['trainer', /^(sampler|dl_state_dict|custom_checkpoint)(_\d+){0,2}\.(bin|pkl)$/],
  ['tokenizer', /^(tokenizer(_config)?|special_tokens_map|added_tokens)\.json$/],
  ['tokenizer', /^(vocab\.(txt|json)|merges\.txt|chat_template\.(jinja|json))$/],
  ['tokenizer', /^(tokenizer|spiece|sentencepiece[\w.-]*)\.(model|vocab)$/],
  ['config', /^([a-z0-9]+_)*config(_[a-z0-9_]+)?\.json$|^modules\.json$/],
  ['config', /^hparams\.ya?ml$/],
];

/** Any of these names. */
const NAMED = new RegExp(FILE_ROLES.map(([, { source }]) => source).join('|'));

/** Folders that hold optimizer state, as sharded training writes them. */
const OPTIMIZER_FOLDER = /^optimizer(_\d+)?$/;

/** What was asked last: several rooms ask for the same path in turn. */
let asked: { path: string; role: NamedRole | null } = { path: '', role: null };

/** What the name of a file says it is for; null: its content says it. */
export function roleOfName(path: string): NamedRole | null {
  if (path !== asked.path) asked = { path, role: findRole(path) };
  return asked.role;
}

function findRole(path: string): NamedRole | null {
  const folders = path.toLowerCase().split('/');
  const name = folders.pop() as string;
  // Most names are none of them, and one pattern is compiled sooner than thirteen.
  if (NAMED.test(name)) return FILE_ROLES.find(([, pattern]) => pattern.test(name))?.[0] ?? null;
  return folders.some((folder) => OPTIMIZER_FOLDER.test(folder)) ? 'optimizer' : null;
}

/** Words that say that the number beside them is one of a checkpoint. */
const WORDS = 'global[-_]?step|step|checkpoint|ckpt|iter(?:ation)?|epoch';
const STEP_WORD = new RegExp(`(?:^|[^a-z])(?:${WORDS})s?[-_=]?(\\d{1,15})(?!\\d)`, 'gi');
/** The same in the name of a series, where a star stands for the number. */
export const STEP_OF_SERIES = new RegExp(
  `(?<![a-z])(?:${WORDS})s?[-_=]?\\*|\\*[-_]?(?:step|iter(?:ation)?|epoch)s?(?![a-z])`,
  'gi',
);
/** The number stands before the word: 'rl_model_10000_steps.zip'. */
const STEP_BEFORE_WORD =
  /(?:^|[^a-z0-9.])(\d{1,15})[-_]?(?:step|iter(?:ation)?|epoch)s?(?![a-z])/gi;
const LAST_NUMBER = /[-_.](\d{1,15})\.[A-Za-z0-9]+$/;
const SHARD = /-\d+-of-\d+/g;
const DECIMALS = /\d+(?:\.\d+)+(?=[^A-Za-z0-9]|$)/g;

/** The number that a word of `plain` says to be a step, an epoch or an iteration; the last of several. */
function toldNumber(plain: string): string | undefined {
  if (!/\d/.test(plain)) return undefined;
  const words = [...plain.matchAll(STEP_WORD)].at(-1);
  return words?.[1] ?? [...plain.matchAll(STEP_BEFORE_WORD)].at(-1)?.[1];
}

/** The step that the digits of a path give: 'checkpoint-500/model.pt', 'step_20.npz', 'm-300.pt'. */
export function stepOfPath(path: string): number | null {
  const plain = path.replace(SHARD, '');
  const digits = toldNumber(plain) ?? LAST_NUMBER.exec(plain.replace(DECIMALS, ''))?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Where a file is in a series of checkpoints. */
export interface SeriesPlace {
  /** What the checkpoints of the series have in common: 'runs/a/checkpoint-*'. */
  series: string;
  /** The folder, or the one file, that is the checkpoint: 'runs/a/checkpoint-500'. */
  checkpoint: string;
  step: number;
}

/**
 * The checkpoint that a path belongs to, if its names number it by step, epoch or iteration: the
 * outermost folder, else the file itself. A number alone says nothing: 'bert-2.pt' is not a step.
 */
export function seriesOf(path: string): SeriesPlace | null {
  const parts = path.split('/');
  for (const [i, part] of parts.entries()) {
    const digits = toldNumber(part.replace(SHARD, ''));
    if (digits === undefined) continue;
    const above = parts.slice(0, i);
    // Metrics may be in the name as well: 'epoch=3-val_loss=0.25.ckpt'.
    const common = part.replace(/\d+(\.\d+)*/g, '*');
    return {
      series: [...above, common].join('/'),
      checkpoint: [...above, part].join('/'),
      step: Number(digits),
    };
  }
  return null;
}

/** Numbers that are in the name of a checkpoint: 'epoch=3-val_loss=0.25.ckpt' → val_loss 0.25. */
export function metricsOfName(checkpoint: string): Map<string, number> {
  const name = checkpoint.slice(checkpoint.lastIndexOf('/') + 1);
  const found = new Map<string, number>();
  for (const [, key, text] of name.matchAll(/([A-Za-z_][A-Za-z0-9_]*)=(-?\d+(?:\.\d+)?)/g)) {
    found.set(key as string, Number(text));
  }
  return found;
}

/** Words that go with the number of a series: those of steps with all before them, and 'val_loss='. */
const BESIDE_STAR = new RegExp(
  `(?:[A-Za-z_]*(?<![a-z])(?:${WORDS})s?[-_=]?|[A-Za-z_]+=)?\\*(?:[-_]?(?:step|iter(?:ation)?|epoch)s?(?![a-z]))?`,
  'gi',
);

/** The name that the files of a series have in common: 'runs/a/step_*.npz' → 'model.npz', 'net-*.pt' → 'net.pt'. */
export function commonName(series: string): string {
  const name = series.slice(series.lastIndexOf('/') + 1);
  const extension = /(?:\.(?:pth|pt|weights))?\.[A-Za-z0-9]+$/.exec(name)?.[0] ?? '';
  const stem = name
    .slice(0, name.length - extension.length)
    .replace(BESIDE_STAR, '')
    .replace(/[-_=.]{2,}/g, '-')
    .replace(/^[-_=.]+|[-_=.]+$/g, '');
  return `${stem === '' ? 'model' : stem}${extension}`;
}
