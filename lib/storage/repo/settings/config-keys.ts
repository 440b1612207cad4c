/** The settings: every key with its type, default and meaning, and how values are read from text. @see docs/format/config.md */

import { suggestNames } from '../../../base/bytes/words/closest.js';
import { ConfigError } from '../../../base/errors.js';
import { CHAIN_DEPTH_MAX, STUDY_WORKERS_MAX } from '../../../base/limits.js';
import { refNameProblem } from '../refs/ref-name.js';
import { KEEP_RULES_FORM, parseModelRules } from './keep-rules.js';
import { parseRate, RATE_FORM } from './rate.js';
import { folderListProblem } from './safe.js';

/** Who may set a key: the file of a repository may be a stranger's. */
export interface KeyRules {
  /**
   * May a repository's own file set it? 'trusted': if the user's `safe.config` names the repository,
   * as for all that says who the user is, runs something or signs. 'never': it is about trust itself.
   */
  repository: 'yes' | 'trusted' | 'never';
}
interface TextKey extends KeyRules {
  type: 'text';
  default: string | null;
  about: string;
  /** Why a value does not do, or null. */
  problem?: (value: string) => string | null;
}
interface NumberKey extends KeyRules {
  type: 'integer' | 'number';
  default: number;
  min: number;
  max: number;
  about: string;
}

const LINE: TextKey['problem'] = (value) =>
  /[\p{Cc}\p{Cs}<>]/u.test(value) ? "holds a control character, '<' or '>'" : null;

/** Every key. The table of docs/format/config.md is made from it. */
export const CONFIG_KEYS = {
  'user.name': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: "author of versions; else git's user.name, else the system user",
    problem: LINE,
  },
  'user.email': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: "author's address; else git's user.email, else empty",
    problem: LINE,
  },
  'safe.directory': {
    type: 'text',
    repository: 'never',
    default: null,
    about: "work trees used although they are another user's, or their '.dlv' is a link",
    problem: folderListProblem,
  },
  'safe.config': {
    type: 'text',
    repository: 'never',
    default: null,
    about: 'work trees whose own settings may also set what needs trust',
    problem: folderListProblem,
  },
  'init.branch': {
    type: 'text',
    repository: 'yes',
    default: 'main',
    about: 'first branch of a new model',
    problem: refNameProblem,
  },
  'core.editor': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: 'editor for messages, as a command; else VISUAL, EDITOR, vi',
  },
  'core.lockTimeoutMs': {
    type: 'integer',
    repository: 'trusted',
    default: 10_000,
    min: 0,
    max: 86_400_000,
    about: 'how long a command waits for another one that holds the lock, in milliseconds',
  },
  'chain.depth': {
    type: 'integer',
    repository: 'yes',
    default: 10,
    min: 1,
    max: CHAIN_DEPTH_MAX,
    about: 'longest chain of deltas that a commit makes',
  },
  'chain.cost': {
    type: 'number',
    repository: 'yes',
    default: 4,
    min: 1,
    max: 1000,
    about: 'bytes read through a chain, at most this many times the bytes without deltas',
  },
  'codec.level': {
    type: 'text',
    repository: 'yes',
    default: 'default',
    about: 'effort of the encoder: fast, default or max',
    problem: (value) => (/^(fast|default|max)$/.test(value) ? null : 'is not fast, default or max'),
  },
  'cache.bytes': {
    type: 'integer',
    repository: 'yes',
    default: 8 * 1024 ** 3,
    min: 0,
    max: 2 ** 53 - 1,
    about: 'most bytes of copies that cat --to-cache keeps for programs that read them in place',
  },
  'transfer.limitRate': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: 'most bytes per second to and from remotes together, as 500K or 10M; else no limit',
    problem: (value) => (parseRate(value) === null ? `is not ${RATE_FORM}` : null),
  },
  'transfer.jobs': {
    type: 'integer',
    repository: 'yes',
    default: 4,
    min: 1,
    max: 64,
    about: 'requests to a remote at once',
  },
  'transfer.lowSpeedLimit': {
    type: 'integer',
    repository: 'trusted',
    default: 100,
    min: 0,
    max: 2 ** 30,
    about: 'bytes per second that a server moves at least for each request; 0: any byte is enough',
  },
  'transfer.lowSpeedTime': {
    type: 'integer',
    repository: 'trusted',
    default: 30,
    min: 1,
    max: 86_400,
    about: 'seconds that a server is waited for which moves less than transfer.lowSpeedLimit',
  },
  'gc.graceDays': {
    type: 'number',
    repository: 'yes',
    default: 14,
    min: 0,
    max: 36_500,
    about: 'days that retired packs stay in trash before gc deletes them',
  },
  'gc.autoSets': {
    type: 'integer',
    repository: 'yes',
    default: 64,
    min: 0,
    max: 1_000_000,
    about: 'a commit that leaves more small pack sets than this merges them; 0: never',
  },
  'executor.kind': {
    type: 'text',
    repository: 'trusted',
    default: 'local',
    about: 'where evaluate trains: local, ray or slurm',
    problem: (value) => (/^(local|ray|slurm)$/.test(value) ? null : 'is not local, ray or slurm'),
  },
  'executor.workers': {
    type: 'integer',
    repository: 'trusted',
    default: 0,
    min: 0,
    max: STUDY_WORKERS_MAX,
    about: 'trials at once; 0: by cores and memory, 16 on a cluster',
  },
  'executor.cpus': {
    type: 'integer',
    repository: 'trusted',
    default: 0,
    min: 0,
    max: 1024,
    about: 'cores of a trial; 0: trials share those of the machine, on a cluster each has one',
  },
  'executor.gpus': {
    type: 'integer',
    repository: 'trusted',
    default: 0,
    min: 0,
    max: 64,
    about: 'GPUs of a trial, on a cluster',
  },
  'executor.memoryMb': {
    type: 'integer',
    repository: 'trusted',
    default: 512,
    min: 1,
    max: 16_777_216,
    about: 'memory that a trial is counted with, in MiB',
  },
  'executor.timeSeconds': {
    type: 'integer',
    repository: 'trusted',
    default: 0,
    min: 0,
    max: 31_536_000,
    about: 'how long a trainer may take from one rule to the next; 0: no limit',
  },
  'executor.retries': {
    type: 'integer',
    repository: 'trusted',
    default: 2,
    min: 0,
    max: 100,
    about: 'how often a job that a cluster lost is submitted again',
  },
  'executor.patienceSeconds': {
    type: 'integer',
    repository: 'trusted',
    default: 600,
    min: 0,
    max: 604_800,
    about: 'how long a study waits for a cluster that does not answer',
  },
  'executor.setup': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: 'a line of shell that workers of a cluster run before the trainer',
  },
  'ray.address': {
    type: 'text',
    repository: 'trusted',
    default: 'http://127.0.0.1:8265',
    about: "address of the dashboard of a Ray cluster's head",
    problem: (value) =>
      /^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(value) && URL.canParse(value)
        ? null
        : 'is not an address such as http://127.0.0.1:8265',
  },
  'slurm.options': {
    type: 'text',
    repository: 'trusted',
    default: null,
    about: 'more arguments of sbatch, with spaces between them, such as --partition=gpu',
  },
  'keep.versions': {
    type: 'text',
    repository: 'yes',
    default: null,
    about:
      "what 'dlv keep --versions' keeps: 'last 5, best 3 by loss', or for models: 'bert: last 5; *: last 20'",
    problem: (value) => (parseModelRules(value) === null ? `is not ${KEEP_RULES_FORM}` : null),
  },
} as const satisfies Record<string, TextKey | NumberKey>;

/** Names of the settings. */
export type ConfigKey = keyof typeof CONFIG_KEYS;
/** Type of the value of a setting. */
export type ConfigValue<K extends ConfigKey> = (typeof CONFIG_KEYS)[K] extends NumberKey
  ? number
  : (typeof CONFIG_KEYS)[K]['default'] extends null
    ? string | null
    : string;

/** Where a value comes from. */
export type ConfigOrigin = 'default' | 'user' | 'repository';

/** One setting as `config --list` shows it. */
export interface ConfigRow {
  key: ConfigKey;
  value: string | number | null;
  origin: ConfigOrigin;
}

/** True if there is a setting of that name. */
export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(CONFIG_KEYS, key);
}

/** @throws {ConfigError} DLV_CONFIG that names the nearest keys. */
export function checkConfigKey(key: string, where?: { file: string; line: number }): ConfigKey {
  if (isConfigKey(key)) return key;
  const place = where ? `cannot read '${where.file}', line ${where.line}: ` : '';
  throw new ConfigError(`${place}there is no setting '${key}'`, {
    ...where,
    key,
    ...suggestNames(key, Object.keys(CONFIG_KEYS), "'dlv config --list' shows all settings"),
  });
}

/** The value that a text stands for. @throws {ConfigError} DLV_CONFIG if it does not fit the key. */
export function parseConfigValue(
  key: ConfigKey,
  text: string,
  where?: { file: string; line: number },
): string | number {
  const spec: TextKey | NumberKey = CONFIG_KEYS[key];
  const place = where ? `cannot read '${where.file}', line ${where.line}: ` : '';
  const fail = (what: string): never => {
    throw new ConfigError(`${place}the value '${text}' of ${key} ${what}`, { ...where, key });
  };
  if (spec.type === 'text') {
    const problem = text === '' ? 'is empty' : (spec.problem?.(text) ?? null);
    return problem === null ? text : fail(problem);
  }
  const value = Number(text);
  const isNumber =
    /^\d+(\.\d+)?$/.test(text) && (spec.type === 'number' || Number.isSafeInteger(value));
  const kind = spec.type === 'integer' ? 'a whole number' : 'a number';
  const range = `${kind} from ${spec.min} to ${spec.max}`;
  if (!isNumber || value < spec.min || value > spec.max) fail(`is not ${range}`);
  return value;
}
