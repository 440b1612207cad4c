/**
 * The index of a sharded checkpoint (`model.safetensors.index.json`, `pytorch_model.bin.index.json`):
 * a JSON object whose `weight_map` names the shard of every tensor.
 *
 * The file itself is literal; what it gives is the list of files that belong together.
 */

import { throwIfAborted } from '../../../base/bytes/abort.js';
import { LimitError } from '../../../base/errors.js';
import { INDEX_JSON_BYTES_MAX } from '../../../base/limits.js';
import { blobLayout } from '../../tensor/layout.js';
import { corrupt, type FormatReader } from '../format.js';
import { CHARGES, MemoryBudget } from '../memory-budget.js';
import { JsonScanner } from './json-scan.js';

export const safetensorsIndexReader: FormatReader = {
  name: 'safetensors-index',

  matches(head) {
    const text = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
    return /^[ \t\r\n]*\{/.test(text.toString('latin1', 0, 256)) && text.includes('"weight_map"');
  },

  async layout(source, signal) {
    if (source.size > INDEX_JSON_BYTES_MAX) {
      throw new LimitError(`'${source.name}': an index of ${source.size} bytes`, {
        file: source.name,
        limit: 'INDEX_JSON_BYTES_MAX',
        value: source.size,
        max: INDEX_JSON_BYTES_MAX,
      });
    }
    const scan = new JsonScanner(await source.read(0, source.size), source.name);
    throwIfAborted(signal);
    const budget = new MemoryBudget(source.name);
    budget.grant(source.size);
    const shards = new Set<string>();
    const keys = new Set<string>();
    scan.object((key) => {
      if (keys.has(key)) throw scan.error(`the key '${key}' stands twice`);
      keys.add(key);
      budget.charge(CHARGES.entry + CHARGES.text + 2 * key.length);
      if (key !== 'weight_map') {
        scan.skip();
        return;
      }
      scan.object(() => {
        const shard = scan.string();
        if (shards.has(shard)) return;
        // A path of the version is made of it later.
        budget.charge(CHARGES.entry + 3 * (CHARGES.text + shard.length));
        shards.add(shard);
      });
    });
    scan.end();
    if (!keys.has('weight_map')) throw corrupt(source, 'there is no weight_map');
    const variable = [{ offset: 0, length: source.size, fixedLength: false }];
    return {
      ...blobLayout(),
      variable,
      format: 'safetensors-index',
      references: [...shards].sort(),
    };
  },
};
