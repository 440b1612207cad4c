/**
 * Names of one tensor under the prefixes that training frameworks add: a compiled, wrapped or sharded
 * model calls `fc.weight` `_orig_mod.fc.weight`, `module.fc.weight` or `base_model.model.fc.weight`.
 */

/** Parts that wrappers put anywhere in a name: no layer of a network is called so. */
const WRAPPERS = new Set([
  // torch.compile, fully sharded and checkpointed modules, adapters, distributed tensors.
  '_orig_mod',
  '_fsdp_wrapped_module',
  '_checkpoint_wrapped_module',
  '_forward_module',
  'base_layer',
  '_local_tensor',
]);
/** Parts that name the whole network where a name begins with them. */
const LEADING = new Set(['module', 'model', 'base_model', 'network']);

/**
 * A name without the parts that frameworks add. Two tensors of one file can have the same: see
 * `matchNames`. The last part always stays.
 */
export function canonicalName(name: string): string {
  const parts = name.split('.');
  const last = parts.findLastIndex((part) => !WRAPPERS.has(part));
  if (last < 0) return name;
  const kept: string[] = [];
  for (const [i, part] of parts.slice(0, last + 1).entries()) {
    const isAdded = WRAPPERS.has(part) || (kept.length === 0 && LEADING.has(part));
    if (!isAdded || i === last) kept.push(part);
  }
  return kept.join('.');
}

/** Names by their canonical form; one that two names share is not there. @param form gives it. */
export function byCanonicalName(
  names: Iterable<string>,
  form: (name: string) => string = canonicalName,
): Map<string, string> {
  const found = new Map<string, string>();
  const shared = new Set<string>();
  for (const name of names) {
    const canonical = form(name);
    if (found.has(canonical)) shared.add(canonical);
    else found.set(canonical, name);
  }
  for (const canonical of shared) found.delete(canonical);
  return found;
}

/**
 * Pairs the names of two sets: equal ones, and of the others those that differ only by what frameworks
 * add, where that leaves no choice.
 * @returns the name in `before` of each name in `after` that has one.
 */
export function matchNames(
  before: ReadonlySet<string> | ReadonlyMap<string, unknown>,
  after: ReadonlySet<string> | ReadonlyMap<string, unknown>,
): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const name of after.keys()) if (before.has(name)) pairs.set(name, name);
  if (pairs.size === after.size || pairs.size === before.size) return pairs;
  const old = byCanonicalName(before.keys());
  for (const [canonical, name] of byCanonicalName(after.keys())) {
    const match = old.get(canonical);
    if (match === undefined || pairs.has(name) || after.has(match)) continue;
    pairs.set(name, match);
  }
  return pairs;
}
