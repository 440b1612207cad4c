/*
 * A table is a binary tree over the 256 symbols. A node has the sum of its symbols' frequencies; it
 * shares them equally, or says how much its lower half gets.
 */
#include "table.h"

#include <string.h>

#include "stats.h"

/* Order of the Exp-Golomb code of a share's distance to one half: rounding and noise for small F. */
static inline uint32_t golomb_order(uint32_t total) {
  const uint32_t bits = 32 - (uint32_t)__builtin_clz(total);
  return bits > 5 ? bits - 5 : 0;
}

static inline uint32_t zigzag(int32_t value) {
  return value < 0 ? (uint32_t)(-value) * 2 - 1 : (uint32_t)value * 2;
}

/* Symbol i of a flat node of 2^log symbols. */
static inline uint32_t flat_share(uint32_t total, uint32_t log, uint32_t i) {
  return ((i + 1) * total >> log) - (i * total >> log);
}

/* Sums and costs of the nodes of a tree: node 1 is the root, 2i and 2i + 1 are the halves of i. */
typedef struct {
  uint32_t sums[512];
  uint64_t costs[512];
  uint8_t flat[256];
} fit_tree;

/* Bits of a node's description. */
static uint32_t share_bits(uint32_t low, uint32_t sum, uint32_t root) {
  const uint32_t total = (uint32_t)((uint64_t)sum * RANS_TOTAL / root) + 1;
  const uint32_t share = (uint32_t)((uint64_t)low * RANS_TOTAL / root);
  const uint32_t order = golomb_order(total);
  const uint32_t v = (zigzag((int32_t)share - (int32_t)(total >> 1)) >> order) + 1;
  return 2 + order + 2 * (31 - (uint32_t)__builtin_clz(v));
}

/*
 * What the other symbols cost more if `size` symbols that occur `count` times get a frequency of 1 each: the
 * excess over their share, times log2(e) / RANS_TOTAL for each of the `root` symbols.
 */
static inline uint64_t least_cost(uint32_t size, uint32_t count, uint32_t root) {
  const int64_t more = (int64_t)((uint64_t)size * root) - (int64_t)((uint64_t)count * RANS_TOTAL);
  return more > 0 ? (uint64_t)more * 46 : 0;
}

static void fit(fit_tree *tree, const uint32_t *counts, uint32_t sampled, uint32_t whole) {
  uint32_t *sums = tree->sums;
  uint64_t entropies[512]; /* n · log2 n */
  memcpy(sums + 256, counts, 256 * sizeof *counts);
  for (int i = 255; i > 0; i--) sums[i] = sums[2 * i] + sums[2 * i + 1];
  for (int i = 1; i < 512; i++) {
    entropies[i] = stats_weight(sums[i]);
  }
  for (int i = 256; i < 512; i++) tree->costs[i] = sums[i] ? least_cost(1, sums[i], sums[1]) : 0;
  for (uint32_t i = 255; i > 0; i--) {
    const uint32_t log = 8 - (31 - (uint32_t)__builtin_clz(i));
    const uint32_t low = sums[2 * i], high = sums[2 * i + 1];
    tree->flat[i] = 0;
    tree->costs[i] = 0;
    if (sums[i] == 0) continue;
    const uint32_t bits = low && high ? share_bits(low, sums[i], sums[1]) : 3;
    uint64_t split = (uint64_t)bits * COST_ONE * sampled / whole;
    split += entropies[i] - entropies[2 * i] - entropies[2 * i + 1];
    split += tree->costs[2 * i] + tree->costs[2 * i + 1];
    const uint64_t flat = (uint64_t)sums[i] * log * COST_ONE +
                          least_cost(1u << log, sums[i], sums[1]) +
                          (uint64_t)2 * COST_ONE * sampled / whole;
    tree->flat[i] = flat <= split;
    tree->costs[i] = flat <= split ? flat : split;
  }
}

uint64_t table_cost(const uint32_t *counts, uint32_t sampled, uint32_t whole) {
  fit_tree tree;
  fit(&tree, counts, sampled, whole);
  return tree.costs[1];
}

/* Symbols that share equally. */
typedef struct {
  uint32_t from;
  uint32_t log;
  uint32_t count;
  uint32_t freq;
} group;

static uint32_t find_groups(const fit_tree *tree, group *groups) {
  uint32_t stack[16], depth = 0, found = 0;
  stack[depth++] = 1;
  while (depth > 0) {
    const uint32_t i = stack[--depth];
    if (tree->sums[i] == 0) continue;
    if (i < 256 && !tree->flat[i]) {
      stack[depth++] = 2 * i + 1;
      stack[depth++] = 2 * i;
      continue;
    }
    const uint32_t level = 31 - (uint32_t)__builtin_clz(i);
    const uint32_t log = 8 - level;
    groups[found++] = (group){(i - (1u << level)) << log, log, tree->sums[i], 0};
  }
  return found;
}

/* Gives each group a sum of frequencies, at least one for each symbol. */
static void normalize(group *groups, uint32_t count, uint32_t sum) {
  int64_t left = RANS_TOTAL;
  for (uint32_t g = 0; g < count; g++) {
    const uint32_t least = 1u << groups[g].log;
    const uint32_t freq = (uint32_t)(((uint64_t)groups[g].count * RANS_TOTAL + sum / 2) / sum);
    groups[g].freq = freq < least ? least : freq;
    left -= groups[g].freq;
  }
  /* Rare symbols rounded up to 1 are paid for by the most frequent ones, a little by each. */
  while (left != 0) {
    uint32_t best = count;
    uint64_t best_score = 0;
    for (uint32_t g = 0; g < count; g++) {
      const uint32_t freq = groups[g].freq;
      if (left < 0 && freq <= 1u << groups[g].log) continue;
      /* Cost of one unit is about count / freq: take where it is small, give where it is large. */
      const uint64_t score = ((uint64_t)groups[g].count << 20) / freq + 1;
      if (best == count || (left < 0 ? score < best_score : score > best_score)) {
        best = g;
        best_score = score;
      }
    }
    groups[best].freq += left < 0 ? -1u : 1u;
    left += left < 0 ? 1 : -1;
  }
}

void table_fit(const uint32_t *counts, rans_table *table) {
  fit_tree tree;
  group groups[256];
  fit(&tree, counts, 1, 1);
  const uint32_t count = find_groups(&tree, groups);
  normalize(groups, count, tree.sums[1]);
  memset(table, 0, sizeof *table);
  for (uint32_t g = 0; g < count; g++) {
    for (uint32_t i = 0; i < 1u << groups[g].log; i++) {
      table->freq[groups[g].from + i] = (uint16_t)flat_share(groups[g].freq, groups[g].log, i);
    }
  }
}

typedef struct {
  dlv_buffer *out;
  uint64_t bits;
  uint32_t count;
  int failed;
} bit_writer;

static void put_bits(bit_writer *writer, uint32_t value, uint32_t count) {
  writer->bits |= (uint64_t)value << writer->count;
  writer->count += count;
  while (writer->count >= 8) {
    if (buffer_put_byte(writer->out, (uint8_t)writer->bits)) writer->failed = 1;
    writer->bits >>= 8;
    writer->count -= 8;
  }
}

/* Exp-Golomb code: the gamma code of (value >> order) + 1, then the low bits. */
static void put_golomb(bit_writer *writer, uint32_t value, uint32_t order) {
  const uint32_t high = (value >> order) + 1;
  const uint32_t extra = 31 - (uint32_t)__builtin_clz(high);
  put_bits(writer, 0, extra);
  put_bits(writer, 1, 1);
  put_bits(writer, high & ((1u << extra) - 1), extra);
  put_bits(writer, value & ((1u << order) - 1), order);
}

static void put_node(bit_writer *writer, const uint16_t *freq, uint32_t log, uint32_t total) {
  if (log == 0 || total == 0) return;
  const uint32_t half = 1u << (log - 1);
  uint32_t low = 0;
  for (uint32_t i = 0; i < half; i++) low += freq[i];
  if (total == 1) {
    put_bits(writer, low, 1);
  } else {
    int flat = total >> log > 0;
    for (uint32_t i = 0; flat && i < 1u << log; i++) flat = freq[i] == flat_share(total, log, i);
    if (flat) {
      put_bits(writer, 1, 2);
      return;
    }
    if (low == 0 || low == total) {
      if (total >> log) put_bits(writer, 3, 2);
      else put_bits(writer, 1, 1);
      put_bits(writer, low != 0, 1);
    } else {
      put_bits(writer, 0, 1);
      put_golomb(writer, zigzag((int32_t)low - (int32_t)(total >> 1)), golomb_order(total));
    }
  }
  put_node(writer, freq, log - 1, low);
  put_node(writer, freq + half, log - 1, total - low);
}

int table_write(const rans_table *tables, uint32_t count, dlv_buffer *out) {
  bit_writer writer = {out, 0, 0, 0};
  for (uint32_t t = 0; t < count; t++) put_node(&writer, tables[t].freq, 8, RANS_TOTAL);
  if (writer.count > 0) put_bits(&writer, 0, 8 - writer.count);
  return writer.failed ? DLV_ERR_MEMORY : DLV_OK;
}

typedef struct {
  dlv_input *input;
  uint32_t bits;
  uint32_t count;
  int failed; /* once set, every bit is 0 */
} bit_reader;

static uint32_t get_bit(bit_reader *reader) {
  if (reader->count == 0) {
    uint8_t byte = 0;
    if (reader->failed || input_byte(reader->input, &byte)) reader->failed = 1;
    reader->bits = byte;
    reader->count = 8;
  }
  const uint32_t bit = reader->bits & 1;
  reader->bits >>= 1;
  reader->count--;
  return bit;
}

static uint32_t get_golomb(bit_reader *reader, uint32_t order) {
  uint32_t extra = 0;
  while (!get_bit(reader)) {
    /* No share is that far from one half. */
    if (reader->failed || ++extra > 11) {
      reader->failed = 1;
      return 0;
    }
  }
  uint32_t high = 1u << extra, low = 0;
  for (uint32_t i = 0; i < extra; i++) high |= get_bit(reader) << i;
  for (uint32_t i = 0; i < order; i++) low |= get_bit(reader) << i;
  return (high - 1) << order | low;
}

/* Reads what the lower half of a node gets; answers 1 if the node is flat instead. */
static int get_share(bit_reader *reader, uint32_t log, uint32_t total, uint32_t *low) {
  if (total == 1) {
    *low = get_bit(reader);
    return 0;
  }
  if (get_bit(reader)) {
    if (total >> log && !get_bit(reader)) return 1;
    *low = get_bit(reader) ? total : 0;
    return 0;
  }
  const uint32_t v = get_golomb(reader, golomb_order(total));
  const int32_t distance = v & 1 ? -(int32_t)(v / 2) - 1 : (int32_t)(v / 2);
  const int32_t share = (int32_t)(total >> 1) + distance;
  if (share < 0 || share > (int32_t)total) reader->failed = 1;
  *low = reader->failed ? 0 : (uint32_t)share;
  return 0;
}

static void get_node(bit_reader *reader, uint16_t *freq, uint32_t log, uint32_t total) {
  if (total == 0) return;
  if (log == 0) {
    *freq = (uint16_t)total;
    return;
  }
  uint32_t low;
  if (get_share(reader, log, total, &low)) {
    for (uint32_t i = 0; i < 1u << log; i++) freq[i] = (uint16_t)flat_share(total, log, i);
    return;
  }
  get_node(reader, freq, log - 1, low);
  get_node(reader, freq + (1u << (log - 1)), log - 1, total - low);
}

int table_read(dlv_input *input, rans_table *tables, uint32_t count) {
  bit_reader reader = {input, 0, 0, 0};
  for (uint32_t t = 0; t < count; t++) {
    memset(&tables[t], 0, sizeof tables[t]);
    get_node(&reader, tables[t].freq, 8, RANS_TOTAL);
    if (reader.failed) return -1;
  }
  return reader.bits == 0 ? 0 : -1;
}
