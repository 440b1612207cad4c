/** What is thrown by others, as errors of the table, and messages of damage. */
import test from 'ava';
import { asDlvError, CorruptError, LimitError, TruncatedError } from '../../../lib/base/errors.js';
import { ERROR_CORRUPT, ERROR_MEMORY, failure } from '../../../lib/base/native/failure.js';

test('where the system gives no more memory, that is the error, and no mistake in dlv', (t) => {
  const thrown = [
    failure(ERROR_MEMORY, 'memory is short'),
    new RangeError('Array buffer allocation failed'),
  ];
  for (const error of thrown.map(asDlvError)) {
    t.is(error.code, 'DLV_IO');
    t.is(error.message, 'memory is full (ENOMEM)');
    t.is(error.data.errno, 'ENOMEM');
    t.regex(String(error.data.hint), /ulimit -v/);
  }
});

test('any other failure of the kernel that nobody expected is a mistake in dlv', (t) => {
  t.is(asDlvError(failure(ERROR_CORRUPT, 'odd')).code, 'DLV_BUG');
  t.is(asDlvError(new RangeError('out of range')).code, 'DLV_BUG');
});

test('a name of megabytes in a damaged file leaves a message that can be read', (t) => {
  for (const Class of [CorruptError, TruncatedError, LimitError]) {
    const { message } = new Class(`'a.onnx': the value '${'n'.repeat(3_000_000)}' is made twice`);
    t.true(message.length < 1000);
    t.regex(message, /^'a\.onnx': the value 'n+ … \(\d+ characters more\) … n+' is made twice$/);
    t.is(new Class(message).message, message);
  }
});
