/**
 * Tells from tensor names what a checkpoint's tensors are for: weights, optimizer state, or an
 * averaged copy of the weights (ema).
 */
import type { Role } from '../tensor/layout.js';

const EMA_NAME = /^(ema|model_ema|ema_model)\./;
/** A top-level key that holds optimizer state beside weights in one file. */
const OPTIMIZER_NAME = /^(optimizer|optimizer_state|optimizer_states|optimizer_state_dict|optim)\./;
/** Slots that optimizers keep per parameter (PyTorch's, DeepSpeed's and Keras' names). */
const SLOT_NAME =
  /(^|[./])(exp_avg|exp_avg_sq|exp_inf|max_exp_avg_sq|momentum_buffer|square_avg|grad_avg|acc_delta|sum|exp_avg_sq_row|exp_avg_sq_col|momentums?|velocity|velocities)$/;
/** What is beside slots and says nothing alone. */
const COUNTER_NAME = /(^|[./])(step|steps|iteration|iterations|learning_rate|lr|ax|mu|eta)$/;
const STATE_NAME = /^state\./;

/**
 * The role of each tensor of one file.
 *
 * Names under `ema.` are averaged weights and names under `optimizer.` optimizer state wherever they
 * stand. The rest is optimizer state only if it looks so as a whole: every name is a slot or a
 * counter, or is under `state.`; one layer called `momentum` does not make a model an optimizer.
 *
 * @param names read only; the answer has the same order.
 */
export function assignRoles(names: readonly string[]): Role[] {
  const roles = names.map((name): Role | null => {
    if (EMA_NAME.test(name)) return 'ema';
    return OPTIMIZER_NAME.test(name) ? 'optimizer' : null;
  });
  const rest = names.filter((_, i) => roles[i] === null);
  const state = rest.every((name) => STATE_NAME.test(name));
  const slots =
    rest.every((name) => SLOT_NAME.test(name) || COUNTER_NAME.test(name)) &&
    rest.some((name) => SLOT_NAME.test(name));
  return roles.map((role) => role ?? (state || slots ? 'optimizer' : 'weights'));
}

/** Keys under which trainers write the step; an epoch is not a step. */
export const STEP_KEYS: readonly string[] = ['step', 'global_step', 'iteration'];

/** The training step that text metadata names, or null. */
export function stepOf(metadata: ReadonlyMap<string, string>): number | null {
  for (const key of STEP_KEYS) {
    const text = metadata.get(key);
    if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text);
  }
  return null;
}
