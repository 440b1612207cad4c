/**
 * What the words of a command say: hyperparameters, seeds among them, and secrets, which nobody keeps.
 */
import { type ParamValue, parseParam } from './param-value.js';

/** Stands for a secret. */
export const MASK = '***';

/** Names of flags and variables whose value is a secret. */
const SECRET_NAME =
  /(^|[-_.])(api[-_.]?key|key|token|secret|passw(or)?d|passwd|passphrase|pwd|pass|pw|credentials?|auth|authorization|access[-_.]?key([-_.]?id)?|private[-_.]?key|client[-_.]?secret|sas|dsn|cookie)$/i;
/** Names that look like that and are settings of networks. */
const NO_SECRET =
  /(tokens?[-_.]?(id|len|length|count|size|type|limit)|(max|min|num|n|pad|eos|bos|mask|sep|cls|unk)[-_.]?(new[-_.]?)?tokens?|key[-_.]?(dim|size|heads?)|sort[-_.]?key|(label|text|image|input|target|data|primary|group|metric|column)[-_.]?key)$/i;
/** Texts that are secrets by their form, as their makers publish it. */
const SECRET_TEXT =
  /\b(sk-[A-Za-z0-9_-]{16,}|hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}|[A-Fa-f0-9]{40})\b/g;
/** User and password of an address, and values in its query that are secrets. */
const USER_INFO = /([a-z][a-z0-9+.-]*:\/\/)[^/@\s:]*:[^/@\s]*@/gi;
const QUERY_SECRET =
  /([?&;](?:[\w.-]*(?:key|token|secret|password|signature|sig|auth|credential)[\w.-]*)=)[^&#\s]+/gi;

/** Within a text, as the command of a shell: `NAME=value`, `--flag value`, `Name: value`; values may be quoted. */
const VALUE = `("[^"]*"|'[^']*'|[^\\s;&|'")]+)`;
const ASSIGNED = new RegExp(`(?<![\\w?&;.])(-{0,2}[A-Za-z_][\\w.-]*)(=|:\\s+)${VALUE}`, 'g');
const FLAGGED = new RegExp(`(?<!\\S)(--?[A-Za-z][\\w.-]*)(\\s+)(?!-)${VALUE}`, 'g');

/** True if what stands behind such a name is a secret. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name) && !NO_SECRET.test(name);
}

/** The same of a flag; `-Dpassword` sets a property of that name. */
function isSecretFlag(text: string): boolean {
  const name = text.replace(/^-+/, '');
  return isSecretName(name) || (/^-D./.test(text) && isSecretName(name.slice(1)));
}

/** A text without what looks like a secret in it. */
export function maskText(text: string): string {
  return text
    .replace(USER_INFO, `$1${MASK}@`)
    .replace(QUERY_SECRET, `$1${MASK}`)
    .replace(SECRET_TEXT, MASK)
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g, `$1 ${MASK}`)
    .replace(ASSIGNED, maskValue)
    .replace(FLAGGED, maskValue);
}

function maskValue(whole: string, name: string, between: string): string {
  return isSecretFlag(name) && !whole.endsWith(MASK) ? `${name}${between}${MASK}` : whole;
}

/** The words of a command without secrets. @returns also whether any was masked. */
export function maskWords(words: readonly string[]): { words: string[]; masked: boolean } {
  const shown: string[] = [];
  let isNext = false;
  for (const word of words) {
    const assigned = /^(-{0,2}[A-Za-z_][\w.-]*)=([\s\S]*)$/.exec(word);
    const flag = /^--?([A-Za-z][\w.-]*)$/.exec(word)?.[1];
    if (isNext && flag === undefined) shown.push(MASK);
    else if (assigned !== null && isSecretFlag(assigned[1] as string)) {
      shown.push(`${assigned[1]}=${MASK}`);
    } else shown.push(maskText(word));
    isNext = flag !== undefined && isSecretName(flag);
  }
  return { words: shown, masked: shown.some((word, i) => word !== words[i]) };
}

/** A flag of Python, a module or a script: none of a trainer's settings comes before it. */
const SCRIPT = /\.(py|m?js|ts|sh|rb|jl|R)$/;

/**
 * Hyperparameters that are on a command line: `--lr 1e-3`, `--lr=1e-3`, `--fp16`, and `lr=1e-3` as Hydra has it. Names
 * have '_' for '-'. Secrets are left out.
 */
export function paramsOfWords(words: readonly string[]): Map<string, ParamValue> {
  const params = new Map<string, ParamValue>();
  const script = words.findIndex((word) => SCRIPT.test(word) || word === '-m');
  for (let i = Math.max(script, 0) + 1; i < words.length; i++) {
    const word = words[i] as string;
    const assigned = /^-{0,2}([A-Za-z_][\w.-]*)=([\s\S]*)$/.exec(word);
    if (assigned !== null) {
      set(params, assigned[1] as string, assigned[2] as string);
      continue;
    }
    const flag = /^--([A-Za-z][\w.-]*)$/.exec(word)?.[1];
    if (flag === undefined) continue;
    const values: string[] = [];
    while (
      i + 1 < words.length &&
      !/^(--?[A-Za-z]|[A-Za-z_][\w.]*=)/.test(words[i + 1] as string)
    ) {
      values.push(words[++i] as string);
    }
    if (values.length === 0) set(params, flag, 'true');
    else if (values.length === 1) set(params, flag, values[0] as string);
    else if (!isSecretName(flag)) params.set(nameOf(flag), values.map(parseParam));
  }
  return params;
}

function nameOf(flag: string): string {
  return flag.replaceAll('-', '_');
}

function set(params: Map<string, ParamValue>, flag: string, value: string): void {
  if (isSecretFlag(flag) || isSecretFlag(`-${flag}`)) return;
  if (maskText(value) !== value || value.length > 1024) return;
  params.set(nameOf(flag), parseParam(value));
}

/** Stands in a command for the checkpoint that it goes on from. */
export const CHECKPOINT_PLACE = '{checkpoint}';

/**
 * The words with the checkpoint in its place. Without one, the word goes, and the flag before it:
 * `--resume {checkpoint}`.
 */
export function placeCheckpoint(words: readonly string[], checkpoint: string | null): string[] {
  const placed: string[] = [];
  for (const word of words) {
    if (!word.includes(CHECKPOINT_PLACE)) placed.push(word);
    else if (checkpoint !== null) placed.push(word.replaceAll(CHECKPOINT_PLACE, checkpoint));
    else if (word === CHECKPOINT_PLACE && /^--?[A-Za-z]/.test(placed.at(-1) ?? '')) placed.pop();
  }
  return placed;
}
