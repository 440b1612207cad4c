/** Making a version: what it counts as stored. */
import fs from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { encodeStaging } from '../../../../../lib/storage/repo/staging/staging-bytes.js';
import { readStaging } from '../../../../../lib/storage/repo/staging/staging-file.js';
import { commitDraft } from '../../../../../lib/use/history/commit/commit-draft.js';
import { branchLine, draftVersion } from '../../../../../lib/use/history/commit/draft-version.js';
import {
  checkPresent,
  makeVersion,
  storeVersion,
  versionFiles,
} from '../../../../../lib/use/history/commit/make-version.js';
import { applyChanges, storeChanges } from '../../../../../lib/use/worktree/stage-files.js';
import { packFiles } from '../../../../helpers/pack-files.js';
import { TestRepository } from '../../../../helpers/repository.js';
import { randomTensors, safetensors } from '../../../../helpers/safetensors.js';

test('version: a set that was published before the version was made counts once', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('model.safetensors', safetensors(randomTensors({ a: [64, 128] }, 1)));
  const stored = await repo.with(async (open) => {
    const session = open.session();
    const onDisk = await readStaging(open.layout);
    const { staging } = onDisk;
    const stagingBefore = encodeStaging(staging);
    const line = await branchLine(open, staging);
    const options = { paths: ['.'] };
    const changes = await storeChanges({ repo: open, session }, onDisk, options, repo.context);
    // As when the set was full: it is published while the command still stores.
    await session.flush();
    await applyChanges({ repo: open, session }, staging, changes, options);
    const draft = await draftVersion(open, { line, staging, stagingBefore }, { message: 'one' });
    return (await commitDraft(open, session, draft)).stored;
  });
  const packs = path.join(repo.dir, '.dlv', 'packs');
  let storedBytes = 0;
  let metadataBytes = 0;
  for (const name of await packFiles(packs)) {
    const { size } = await fs.stat(path.join(packs, name));
    if (name.endsWith('.idx')) metadataBytes += size;
    else storedBytes += size;
  }
  t.deepEqual(stored, { storedBytes, metadataBytes });
});

test('version: one whose objects were collected before it has a name is not named', async (t) => {
  const repo = await TestRepository.create(t);
  await repo.write('a.safetensors', safetensors(randomTensors({ a: [64, 128] }, 1)));
  await repo.json('add', '.');
  await repo.with(async (open) => {
    const session = open.session();
    const { staging } = await readStaging(open.layout);
    const wanted = {
      ...versionFiles(staging.entries('net')),
      ...{ model: 'net', message: 'one', parents: [], near: null },
    };
    const made = await storeVersion(open, session, wanted);
    await checkPresent(session, wanted, made);
    // Another command takes the files out of staging, and their objects go; the version itself too.
    await repo.json('rm', '--cached', 'a.safetensors');
    await repo.json('gc', '--prune=now');
    const named: string[] = [];
    const name = async (): Promise<void> => void named.push('one');
    await t.throwsAsync(checkPresent(session, wanted, made), { code: 'DLV_CONFLICT' });
    await t.throwsAsync(makeVersion(open, session, wanted, { name }), { code: 'DLV_CONFLICT' });
    t.deepEqual(named, []);
  });
});
