/* Statistics: integers only, so that every build makes the same choices. */
#include "stats.h"

#include <string.h>

/* log2(1 + i/64) in 1/65536, i = 0 … 64; the last is one less, to fit. */
static const uint16_t LOG2_FRACTION[65] = {
    0,     1466,  2909,  4331,  5732,  7112,  8473,  9814,  11136, 12440, 13727, 14996, 16248,
    17484, 18704, 19909, 21098, 22272, 23433, 24579, 25711, 26830, 27936, 29029, 30109, 31178,
    32234, 33279, 34312, 35334, 36346, 37346, 38336, 39316, 40286, 41246, 42196, 43137, 44068,
    44990, 45904, 46809, 47705, 48593, 49472, 50344, 51207, 52063, 52911, 53751, 54584, 55410,
    56229, 57040, 57845, 58643, 59434, 60219, 60997, 61769, 62534, 63294, 64047, 64794, 65535};

uint32_t stats_log2(uint32_t value) {
  uint32_t whole = 31 - (uint32_t)__builtin_clz(value);
  uint32_t mantissa = whole >= 12 ? value >> (whole - 12) : value << (12 - whole);
  mantissa -= 1u << 12;
  const uint32_t index = mantissa >> 6;
  const uint32_t rest = mantissa & 63;
  const uint32_t low = LOG2_FRACTION[index];
  const uint32_t high = LOG2_FRACTION[index + 1];
  return whole * COST_ONE + low + ((high - low) * rest >> 6);
}

uint32_t stats_weights[STATS_WEIGHTS];
static int ready;

void stats_prepare(void) {
  if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) return;
  /* Threads that come at once write the same numbers. */
  for (uint32_t v = 1; v < STATS_WEIGHTS; v++) {
    __atomic_store_n(&stats_weights[v], v * stats_log2(v), __ATOMIC_RELAXED);
  }
  __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

uint64_t stats_cost(const uint32_t *counts) {
  uint64_t total = 0;
  uint64_t used = 0;
  for (int s = 0; s < 256; s++) {
    total += counts[s];
    used += stats_weight(counts[s]);
  }
  return stats_weight((uint32_t)total) - used;
}

/* Contexts with fewer symbols than this share of all are joined before the search. */
#define RARE_SHARE 512
/* Fewer symbols than this say nothing about a table. */
#define GROUP_SYMBOLS 96
#define GROUPS_MAX 64
#define BUCKETS 32
/* Those of digits: 0 and eleven of each sign. */
#define DIGIT_BUCKETS 23
/* Bits of a table for each bucket that it has symbols in, about: many bytes are equally likely. */
static const uint64_t BUCKET_BITS[2] = {10, 2};

/* Joins neighbouring contexts into groups large enough to have statistics; answers how many. */
static uint32_t find_groups(const stats_matrix *matrix, uint32_t groups_max, uint8_t *group_of) {
  uint32_t least = matrix->total / RARE_SHARE + 1;
  if (least < GROUP_SYMBOLS) least = GROUP_SYMBOLS;
  for (;; least *= 2) {
    uint32_t groups = 0;
    uint32_t gathered = 0;
    for (int c = 0; c < 256; c++) {
      if (gathered >= least) {
        groups++;
        gathered = 0;
      }
      group_of[c] = (uint8_t)groups;
      gathered += matrix->totals[c];
    }
    if (groups < groups_max) return groups + 1;
  }
}

/* Buckets of digits: 0, ±1, ±2, ±3, ±4 … 5, ±6 … 8, then six more for each sign. */
static uint32_t bucket_of(int buckets, uint32_t symbol) {
  if (buckets == STATS_BYTES) return symbol >> 3;
  const uint32_t sign = symbol >> 7;
  const uint32_t size = sign ? 256 - symbol : symbol;
  static const uint8_t SMALL[9] = {0, 1, 2, 3, 4, 4, 5, 5, 5};
  const uint32_t step = size < 9 ? SMALL[size] : size < 13 ? 6 : size < 21 ? 7 : 8 + size / 32;
  return size == 0 ? 0 : 2 * step - sign;
}

/* costs[from · GROUPS_MAX + to] of one class that holds groups from … to. */
static void class_costs(const stats_matrix *matrix, const uint8_t *group_of, uint32_t groups,
                        int buckets, uint32_t whole, uint64_t *costs) {
  uint32_t sums[GROUPS_MAX][BUCKETS];
  uint8_t bucket[256];
  memset(sums, 0, groups * sizeof sums[0]);
  for (uint32_t s = 0; s < 256; s++) bucket[s] = (uint8_t)bucket_of(buckets, s);
  for (int c = 0; c < 256; c++) {
    if (matrix->totals[c] == 0) continue;
    uint32_t *row = sums[group_of[c]];
    for (int s = 0; s < 256; s++) row[bucket[s]] += matrix->counts[c * 256 + s];
  }
  const int used_buckets = buckets == STATS_DIGITS ? DIGIT_BUCKETS : BUCKETS;
  for (uint32_t from = 0; from < groups; from++) {
    uint32_t merged[BUCKETS] = {0};
    for (uint32_t to = from; to < groups; to++) {
      uint64_t total = 0, used = 0, filled = 0;
      for (int b = 0; b < used_buckets; b++) {
        merged[b] += sums[to][b];
        total += merged[b];
        filled += merged[b] != 0;
        used += stats_weight(merged[b]);
      }
      const uint64_t table = filled * BUCKET_BITS[buckets] * COST_ONE * matrix->total / whole;
      costs[from * GROUPS_MAX + to] = table + stats_weight((uint32_t)total) - used;
    }
  }
}

/* The cheapest cut of the groups into consecutive classes. */
static void cut_groups(const uint64_t *costs, const uint8_t *group_of, uint32_t groups,
                       uint32_t classes_max, bulk_cut *result) {
  /* best[k][g]: cheapest cut of groups 0 … g into k + 1 classes; cut[k][g]: where the last begins. */
  static const uint64_t NEVER = UINT64_MAX;
  uint64_t best[RANS_CLASSES_MAX][GROUPS_MAX] = {{0}};
  uint8_t cut[RANS_CLASSES_MAX][GROUPS_MAX];
  for (uint32_t k = 0; k < classes_max; k++) {
    for (uint32_t g = 0; g < groups; g++) {
      best[k][g] = k == 0 ? costs[g] : NEVER;
      cut[k][g] = 0;
      for (uint32_t from = k; k > 0 && from <= g; from++) {
        if (best[k - 1][from - 1] == NEVER) continue;
        const uint64_t cost = best[k - 1][from - 1] + costs[from * GROUPS_MAX + g];
        if (cost < best[k][g]) {
          best[k][g] = cost;
          cut[k][g] = (uint8_t)from;
        }
      }
    }
  }
  uint32_t chosen = 0;
  for (uint32_t k = 1; k < classes_max; k++) {
    if (best[k][groups - 1] < best[chosen][groups - 1]) chosen = k;
  }
  result->classes = chosen + 1;
  uint8_t last_context[GROUPS_MAX];
  for (int c = 0; c < 256; c++) last_context[group_of[c]] = (uint8_t)c;
  uint32_t end = groups;
  for (uint32_t k = chosen; k > 0; k--) {
    end = cut[k][end - 1];
    result->last[k - 1] = last_context[end - 1];
  }
}

void stats_find_cut(const stats_matrix *matrix, uint32_t classes_max, uint32_t groups_max,
                    int buckets, uint32_t whole, bulk_cut *cut) {
  uint64_t costs[GROUPS_MAX * GROUPS_MAX];
  uint8_t group_of[256];
  const uint32_t groups =
      find_groups(matrix, groups_max < GROUPS_MAX ? groups_max : GROUPS_MAX, group_of);
  class_costs(matrix, group_of, groups, buckets, whole, costs);
  cut_groups(costs, group_of, groups, classes_max, cut);
}
