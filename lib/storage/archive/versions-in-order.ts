/** Versions in an order in which parents come first. */
import type { Id } from '../../base/bytes/hash.js';
import type { ReadAccess } from '../objects/access.js';
import { readHead } from '../repo/refs/head.js';
import { listRefs } from '../repo/refs/refs.js';

/** Versions reachable from some, parents before children. @param starts  default: what refs and HEAD name. */
export async function versionsInOrder(repo: ReadAccess, starts?: readonly Id[]): Promise<Id[]> {
  let roots = starts;
  if (roots === undefined) {
    const head = await readHead(repo.layout);
    const ids = (await listRefs(repo.layout, 'refs'))
      .filter(({ name }) => !name.startsWith('refs/notes/'))
      .map((ref) => ref.id);
    roots = head.kind === 'detached' ? [...ids, head.id] : ids;
  }
  const order: Id[] = [];
  const state = new Map<Id, 'open' | 'done'>();
  const stack = [...new Set(roots)].reverse();
  while (stack.length > 0) {
    const id = stack.at(-1) as Id;
    if (state.get(id) === undefined) {
      state.set(id, 'open');
      const { parents } = await repo.version(id);
      for (const parent of [...parents].reverse()) if (!state.has(parent)) stack.push(parent);
      continue;
    }
    stack.pop();
    if (state.get(id) === 'done') continue;
    state.set(id, 'done');
    order.push(id);
  }
  return order;
}
