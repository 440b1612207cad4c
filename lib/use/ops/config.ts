/** `dlv config`: reads and changes settings of the repository or of the user. */
import { NotFoundError, UnsafeError } from '../../base/errors.js';
import {
  checkTrusted,
  findRepository,
  findRepositoryOrNull,
} from '../../storage/repo/find-repository.js';
import { keepStateFiles } from '../../storage/repo/kept.js';
import type { Layout } from '../../storage/repo/layout.js';
import {
  changeConfigFile,
  checkRepositoryKey,
  ignoredMessage,
  readConfig,
  userConfigFile,
} from '../../storage/repo/settings/config.js';
import {
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigOrigin,
  checkConfigKey,
} from '../../storage/repo/settings/config-keys.js';
import type { OpContext } from '../context.js';

/** One setting and where its value comes from. */
export interface ConfigEntry {
  key: ConfigKey;
  value: string | number | null;
  origin: ConfigOrigin;
  /** What the setting does. */
  about: string;
}

export interface ConfigChange {
  /** Change the user's own file instead of the repository's. */
  user?: boolean;
}

/** All settings that hold here; outside of a repository, those of the user. */
export async function listConfig(context: OpContext): Promise<ConfigEntry[]> {
  const layout = await trustedLayout(context);
  const config = await readConfig(layout);
  for (const setting of layout === null ? [] : config.ignored) {
    context.warn(await ignoredMessage(layout as Layout, setting));
  }
  return config.list().map((row) => ({ ...row, about: CONFIG_KEYS[row.key].about }));
}

/** The repository around; null if there is none or it may not be used: the user's settings hold then. */
async function trustedLayout(context: OpContext): Promise<Layout | null> {
  const layout = await findRepositoryOrNull(context.cwd);
  if (layout === null) return null;
  try {
    await checkTrusted(layout);
    return layout;
  } catch (error) {
    if (!(error instanceof UnsafeError)) throw error;
    context.warn(`${error.message}; its settings are not read`);
    return null;
  }
}

/** One setting. @throws {ConfigError} DLV_CONFIG for an unknown key, with the nearest ones. */
export async function getConfig(context: OpContext, key: string): Promise<ConfigEntry> {
  const known = checkConfigKey(key);
  return (await listConfig(context)).find((row) => row.key === known) as ConfigEntry;
}

/** Sets a setting. @returns what holds now. @throws {ConfigError} DLV_CONFIG */
export async function setConfig(
  context: OpContext,
  key: string,
  value: string,
  options: ConfigChange = {},
): Promise<ConfigEntry> {
  const known = checkConfigKey(key);
  if (!options.user) await checkRepositoryKey(await findRepository(context.cwd), known);
  await changeConfigFile(await fileOf(context, options), known, value);
  await keepChange(context, options);
  return getConfig(context, key);
}

/**
 * Removes a setting, so that the next file's value or the default holds.
 * @throws {NotFoundError} DLV_NOT_FOUND if the file does not set it.
 */
export async function unsetConfig(
  context: OpContext,
  key: string,
  options: ConfigChange = {},
): Promise<ConfigEntry> {
  const file = await fileOf(context, options);
  if (!(await changeConfigFile(file, key, null))) {
    throw new NotFoundError(`'${file}' does not set '${key}'`, {
      kind: 'setting',
      name: key,
      hint: "'dlv config --list' shows where its value comes from",
    });
  }
  await keepChange(context, options);
  return getConfig(context, key);
}

/** Protects the settings of a repository from \`git clean\`. */
async function keepChange(context: OpContext, { user }: ConfigChange): Promise<void> {
  if (!user) await keepStateFiles(await findRepository(context.cwd));
}

async function fileOf(context: OpContext, options: ConfigChange): Promise<string> {
  return options.user ? userConfigFile() : (await findRepository(context.cwd)).config;
}
