/** The rules that a command was given, or that the setting says. */
import { UsageError } from '../../../base/errors.js';
import { readHead } from '../../../storage/repo/refs/head.js';
import {
  KEEP_RULES_FORM,
  type ModelRules,
  parseKeepRules,
  parseModelRules,
} from '../../../storage/repo/settings/keep-rules.js';
import type { LineAccess } from '../access.js';
import { nameTest } from '../lines/name-filters.js';

/** @throws {UsageError} if neither the caller nor the setting has rules, or they keep nothing. */
export async function askedRules(
  repo: LineAccess,
  options: { rules?: string; model?: string },
): Promise<ModelRules[]> {
  const { model, rules: text } = options;
  if (text !== undefined) {
    const rules = parseKeepRules(text);
    if (rules === null) {
      throw new UsageError(`'${text}' are no rules`, { hint: `write ${KEEP_RULES_FORM}` });
    }
    return [{ model: model ?? (await readHead(repo.layout)).model, rules }];
  }
  const setting = repo.config.get('keep.versions');
  const found = setting === null ? null : parseModelRules(setting);
  if (found === null) {
    throw new UsageError('what is to be kept is not said', {
      hint:
        "give rules, as in --versions 'last 5, best 3 by eval_loss', or set them once: " +
        "dlv config keep.versions 'last 5, best 3 by eval_loss'",
    });
  }
  if (model === undefined) return found;
  const own = found.find((one) => nameTest([one.model])(model));
  return own === undefined ? [] : [{ model, rules: own.rules }];
}
