/** `dlv config`: reads and changes settings of the repository or of the user. */
import { NotFoundError } from '../../base/errors.js';
import { findRepository, findRepositoryOrNull } from '../../storage/repo/layout.js';
import {
  CONFIG_KEYS,
  type ConfigKey,
  type ConfigOrigin,
  changeConfigFile,
  checkConfigKey,
  readConfig,
  userConfigFile,
} from '../../storage/repo/settings/config.js';
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
  const config = await readConfig(await findRepositoryOrNull(context.cwd));
  return config.list().map((row) => ({ ...row, about: CONFIG_KEYS[row.key].about }));
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
  await changeConfigFile(await fileOf(context, options), key, value);
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
  return getConfig(context, key);
}

async function fileOf(context: OpContext, options: ConfigChange): Promise<string> {
  return options.user ? userConfigFile() : (await findRepository(context.cwd)).config;
}
