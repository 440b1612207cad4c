/** Prints the sha256 of a file, read in blocks of 4 MiB: the baseline that every commit pays too. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

const hash = createHash('sha256');
for await (const bytes of createReadStream(process.argv[2] as string, {
  highWaterMark: 4 * 1024 * 1024,
})) {
  hash.update(bytes as Buffer);
}
process.stdout.write(`${hash.digest('hex')}\n`);
