/** Sets that are put in the place of others while another command restores what was lost. */
import test from 'ava';
import { objectId } from '../../../../lib/base/bytes/hash.js';
import { ConflictError } from '../../../../lib/base/errors.js';
import { PackSetWriter } from '../../../../lib/storage/store/packs/pack-writer.js';
import { replaceSets } from '../../../../lib/storage/upkeep/replace-sets.js';
import { WorkRepository } from '../objects/work-repository.js';

test('replace: copies do not hide a set that came in front meanwhile', async (t) => {
  const work = await WorkRepository.make(t);
  for (const text of ['one', 'two', 'three']) await work.add({ [text]: text });
  await work.open(async (repo) => {
    const seen = [...repo.store.sets()];
    const locked = repo.locked.bind(repo);
    let front: string | null = null;
    repo.locked = async (action) => {
      if (front === null) {
        const writer = await PackSetWriter.create(repo.store.backend, 'tmp/9-9/front');
        const payload = Buffer.from('stored again');
        const id = objectId('blob', payload);
        const record = { id, kind: 'blob' as const, codec: 0, base: null, depth: 0 };
        await writer.addBlob({ ...record, rawBytes: payload.length, payload });
        const sealed = await writer.finish();
        front = sealed.info.id;
        await locked(() => repo.store.publish([sealed], (sets) => sets.toReversed()));
      }
      return locked(action);
    };
    const plan = { seen, chosen: seen, keep: null, stillValid: async () => true };
    await t.throwsAsync(replaceSets(repo, plan), { instanceOf: ConflictError });
    t.is(repo.store.sets()[0]?.id, front as never);
    t.is(repo.store.sets().length, seen.length + 1);
    repo.locked = locked;
    await replaceSets(repo, { ...plan, seen: [...repo.store.sets()] });
  });
});
