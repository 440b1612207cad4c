/**
 * Where the values of settings come from, and how they are changed. The keys are in config-keys.ts.
 *
 * The repository's .dlv/config overrides the user's file, which overrides the defaults. Unknown keys
 * and invalid values are errors that name the line. @see docs/format/config.md
 */
import { homedir } from 'node:os';
import path from 'node:path';
import { checkReadable } from '../../../base/bytes/sealed.js';
import { ConfigError } from '../../../base/errors.js';
import {
  isMissing,
  makeDirectory,
  readSmallFile,
  statNow,
  writeFileAtomic,
} from '../../../base/files/files.js';
import { USER_TEXT_BYTES_MAX } from '../../../base/limits.js';
import type { Layout } from '../layout.js';
import { ConfigFile } from './config-file.js';
import {
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigOrigin,
  type ConfigRow,
  type ConfigValue,
  checkConfigKey,
  type KeyRules,
  parseConfigValue,
} from './config-keys.js';
import { addFolder, listsFolder } from './safe.js';

/** A setting of a repository's own file that does not hold. */
export interface IgnoredSetting {
  key: ConfigKey;
  file: string;
  line: number;
}

/** One file of settings. */
export interface ConfigSource {
  origin: ConfigOrigin;
  file: ConfigFile;
  /** For a repository's file: the user said that it may set what needs trust. */
  trusted?: boolean;
}

/** True if a file may set a key. */
function maySet({ origin, trusted }: Pick<ConfigSource, 'origin' | 'trusted'>, key: ConfigKey) {
  const rule: KeyRules['repository'] = CONFIG_KEYS[key].repository;
  return origin !== 'repository' || rule === 'yes' || (rule === 'trusted' && trusted === true);
}

/** The settings of one repository (or of none), all sources together. */
export class Config {
  /** Settings in the repository's file that it may not set: they are ignored with a warning. */
  readonly ignored: IgnoredSetting[] = [];
  /** True if the user lets this repository say who they are. */
  readonly trusted: boolean;
  readonly #values: Map<ConfigKey, { value: string | number; origin: ConfigOrigin }>;

  /** @param files the user's file, then the repository's; later ones win. Checked here. */
  constructor(files: ConfigSource[]) {
    this.trusted = files.some((source) => source.trusted === true);
    this.#values = new Map();
    for (const source of files) {
      const { origin, file } = source;
      for (const { key, value, line } of file.settings()) {
        const where = { file: file.file, line };
        const known = checkConfigKey(key, where);
        const parsed = parseConfigValue(known, value, where);
        if (maySet(source, known)) this.#values.set(known, { value: parsed, origin });
        else this.ignored.push({ key: known, ...where });
      }
    }
  }

  get<K extends ConfigKey>(key: K): ConfigValue<K> {
    return (this.#values.get(key)?.value ?? CONFIG_KEYS[key].default) as ConfigValue<K>;
  }

  /** Every key with its value, in the order of the table. */
  list(): ConfigRow[] {
    return (Object.keys(CONFIG_KEYS) as ConfigKey[]).map((key) => ({
      key,
      value: this.get(key),
      origin: this.#values.get(key)?.origin ?? 'default',
    }));
  }
}

/** The user's own config file: $DLV_CONFIG, else ~/.config/dlv/config. */
export function userConfigFile(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DLV_CONFIG) return env.DLV_CONFIG;
  return path.join(env.XDG_CONFIG_HOME || path.join(homedir(), '.config'), 'dlv', 'config');
}

/** Reads a config file; one that does not exist is empty. @throws {ConfigError} DLV_CONFIG */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  // Most users have none: to look is cheaper than to open.
  if (statNow(file) === null) return ConfigFile.parse('', file);
  let text = '';
  try {
    const bytes = await readSmallFile(file, USER_TEXT_BYTES_MAX);
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) {
      throw new ConfigError(`cannot read '${file}': it is not UTF-8 text`, { file });
    }
    if (!isMissing(error)) throw error;
  }
  return ConfigFile.parse(text, file);
}

/**
 * Sets (or, with `value` null, removes) one setting in a config file and keeps the rest of its text.
 * @returns false if a setting to be removed was not there.
 * @throws {ConfigError} DLV_CONFIG if key or value do not do, or the file cannot be read.
 */
export async function changeConfigFile(
  file: string,
  key: string,
  value: string | null,
): Promise<boolean> {
  const known = checkConfigKey(key);
  if (value !== null) parseConfigValue(known, value);
  const config = await readConfigFile(file);
  if (value === null) {
    if (!config.unset(known)) return false;
  } else {
    config.set(known, value);
  }
  await makeDirectory(path.dirname(file));
  const text = config.toString();
  checkReadable(file, () => {
    const read = ConfigFile.parse(text, file).get(known);
    if (read !== (value ?? undefined)) throw new Error(`${known} would be '${read}'`);
  });
  await writeFileAtomic(file, Buffer.from(text));
  return true;
}

/** Settings that hold in a repository, or outside of one if `layout` is null. @throws {ConfigError} */
export async function readConfig(
  layout: Layout | null,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Config> {
  const user = await readConfigFile(userConfigFile(env));
  const files: ConfigSource[] = [{ origin: 'user', file: user }];
  if (layout !== null) {
    const file = await readConfigFile(layout.config);
    const trusted = await trustsConfig(user, layout);
    files.push({ origin: 'repository', file, trusted });
  }
  return new Config(files);
}

/** True if the user's settings say that a repository's own may say who the user is. */
async function trustsConfig(user: ConfigFile, layout: Layout): Promise<boolean> {
  return listsFolder(user.get('safe.config') ?? '', layout.workTree);
}

/**
 * Checks that a repository's own file may set a key.
 * @throws {ConfigError} DLV_CONFIG that says how the user sets it, or allows it.
 */
export async function checkRepositoryKey(
  layout: Layout,
  key: ConfigKey,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const user = await readConfigFile(userConfigFile(env));
  if (maySet({ origin: 'repository', trusted: await trustsConfig(user, layout) }, key)) return;
  throw new ConfigError(`the settings of a repository cannot set '${key}'`, {
    key,
    hint: `set it for yourself: dlv config --user ${key} …${orTrust(user, layout, key)}`,
  });
}

/** The warning about a setting that is ignored. */
export async function ignoredMessage(
  layout: Layout,
  { key, file, line }: IgnoredSetting,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const user = await readConfigFile(userConfigFile(env));
  const trust = orTrust(user, layout, key);
  // The end of the sentence names the work tree: once is enough.
  const below = path.relative(layout.workTree, file);
  const isNamed = trust !== '' && !path.isAbsolute(below) && !below.startsWith('..');
  return (
    `'${key}' in line ${line} of '${isNamed ? below : file}' is ignored: ` +
    `a repository may not set it; use dlv config --user ${key} …${trust}`
  );
}

function orTrust(user: ConfigFile, layout: Layout, key: ConfigKey): string {
  if (CONFIG_KEYS[key].repository === 'never') return '';
  const list = addFolder(user.get('safe.config') ?? null, path.resolve(layout.workTree));
  return `, or trust the settings of this repository: dlv config --user safe.config '${list}'`;
}
