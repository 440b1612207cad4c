/**
 * Names, roles and the step of a PyTorch checkpoint, from the keys of its top-level dict.
 */
import type { Role, TensorSpan } from '../../tensor/layout.js';
import type { MemoryBudget } from '../memory-budget.js';
import { assignRoles, STEP_KEYS } from '../roles.js';
import { TensorNames } from '../tensor-names.js';
import type { PickleValue } from './pickle-value.js';
import { type FoundTensor, nameOf } from './torch-walk.js';

const OPTIMIZER_KEYS = new Set([
  'optimizer',
  'optimizers',
  'optimizer_state',
  'optimizer_states',
  'optimizer_state_dict',
  'optim',
]);
const EMA_KEYS = new Set(['ema', 'model_ema', 'ema_model', 'ema_state_dict']);
/** Keys under which training scripts put the state dict: dropped, so that names are those of the
 *  state dict saved alone. */
const WRAPPER_KEYS = new Set(['model_state_dict', 'state_dict', 'model']);

/**
 * Gives every tensor its role and a name that is unique in it.
 * @param placed  tensors with the byte offset of their first element.
 * @param budget  charged for names and tensors.
 */
export function nameTensors(
  placed: readonly { tensor: FoundTensor; offset: number }[],
  budget: MemoryBudget,
): TensorSpan[] {
  const roles = rolesOf(placed.map(({ tensor }) => tensor));
  const names = new Map<Role, TensorNames>();
  return placed.map(({ tensor, offset }, i): TensorSpan => {
    const { top, rest, view } = tensor;
    const role = roles[i] as Role;
    const given = names.get(role) ?? new TensorNames(budget);
    names.set(role, given);
    const full = nameOf(tensor);
    const drops = role === 'weights' && top !== null && WRAPPER_KEYS.has(top) && rest !== '';
    const name = given.add(drops && !given.has(rest) ? rest : full);
    const { dtype } = view;
    const { shape, strides } = view.storage === null ? { shape: [], strides: null } : view;
    budget.chargeTensor(name, 2 * shape.length);
    return { name, dtype, shape, strides, offset, role };
  });
}

function rolesOf(found: readonly FoundTensor[]): Role[] {
  const byKey = found.map(({ top, rest }): Role | null => {
    // A tensor that is itself called 'ema' is not a state dict.
    if (top === null || rest === '') return null;
    if (OPTIMIZER_KEYS.has(top)) return 'optimizer';
    return EMA_KEYS.has(top) ? 'ema' : null;
  });
  const others = assignRoles(found.filter((_, i) => byKey[i] === null).map(nameOf));
  let next = 0;
  return byKey.map((role) => role ?? (others[next++] as Role));
}

/** The training step that the top-level dict of a checkpoint names, or null. */
export function stepOfRoot(root: ReadonlyMap<string, PickleValue> | null): number | null {
  for (const key of STEP_KEYS) {
    const value = root?.get(key);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  }
  return null;
}
