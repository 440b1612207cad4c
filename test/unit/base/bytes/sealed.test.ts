import test from 'ava';
import { checkReadable } from '../../../../lib/base/bytes/sealed.js';
import { BugError, CorruptError, IoError, LimitError } from '../../../../lib/base/errors.js';

test('sealed: bytes that cannot be read again are a mistake in dlv', (t) => {
  const read = () => {
    throw new CorruptError("'staging' is damaged");
  };
  t.throws(() => checkReadable('staging', read), { instanceOf: BugError, message: /is damaged/ });
});

test('sealed: bytes that are too large, or too large for this process, are no mistake in dlv', async (t) => {
  const limit = new LimitError("'staging' is too large", { file: 'staging' });
  const memory = new IoError("cannot read 'staging'", { file: 'staging', errno: 'ENOMEM' });
  for (const error of [limit, memory]) {
    const read = () => {
      throw error;
    };
    t.is(
      t.throws(() => checkReadable('staging', read)),
      error,
    );
    t.is(await t.throwsAsync(checkReadable('staging', () => Promise.reject(error))), error);
  }
});
