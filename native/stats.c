/* Statistics: integers only, so that every build makes the same choices. */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "kernel.h"

/* log2(1 + i/64) in 1/65536, i = 0 … 64; the last is one less, to fit. */
static const uint16_t LOG2_FRACTION[65] = {
    0, 1466, 2909, 4331, 5732, 7112, 8473, 9814, 11136, 12440, 13727, 14996, 16248, 17484, 18704,
    19909, 21098, 22272, 23433, 24579, 25711, 26830, 27936, 29029, 30109, 31178, 32234, 33279,
    34312, 35334, 36346, 37346, 38336, 39316, 40286, 41246, 42196, 43137, 44068, 44990, 45904,
    46809, 47705, 48593, 49472, 50344, 51207, 52063, 52911, 53751, 54584, 55410, 56229, 57040,
    57845, 58643, 59434, 60219, 60997, 61769, 62534, 63294, 64047, 64794, 65535};

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

uint64_t stats_cost(const uint32_t *counts) {
  uint64_t total = 0;
  uint64_t used = 0;
  for (int s = 0; s < 256; s++) {
    if (counts[s] == 0) continue;
    total += counts[s];
    used += (uint64_t)counts[s] * stats_log2(counts[s]);
  }
  return total == 0 ? 0 : total * stats_log2((uint32_t)total) - used;
}

uint64_t stats_table_cost(const uint32_t *counts) {
  uint64_t total = 0;
  for (int s = 0; s < 256; s++) total += counts[s];
  if (total == 0) return 8 * COST_ONE;
  uint64_t bits = 8;
  for (int s = 0; s < 256; s++) {
    if (counts[s] == 0) continue;
    const uint64_t freq = (uint64_t)counts[s] * RANS_TOTAL / total + 1;
    bits += 2 + 2 * (31 - (uint32_t)__builtin_clz((uint32_t)freq));
  }
  return bits * COST_ONE;
}

/* Contexts with fewer symbols than this share of all are joined before the search. */
#define RARE_SHARE 512
/* Fewer symbols than this say nothing about a table. */
#define GROUP_SYMBOLS 192
#define GROUPS_MAX 64

/* Joins neighbouring contexts into groups large enough to have statistics; answers how many. */
static uint32_t find_groups(const uint32_t *counts, uint32_t groups_max, uint8_t *group_of) {
  uint64_t total = 0;
  uint64_t row_totals[256];
  for (int c = 0; c < 256; c++) {
    row_totals[c] = 0;
    for (int s = 0; s < 256; s++) row_totals[c] += counts[c * 256 + s];
    total += row_totals[c];
  }
  uint64_t least = total / RARE_SHARE + 1;
  if (least < GROUP_SYMBOLS) least = GROUP_SYMBOLS;
  for (;; least *= 2) {
    uint32_t groups = 0;
    uint64_t gathered = 0;
    for (int c = 0; c < 256; c++) {
      if (gathered >= least) {
        groups++;
        gathered = 0;
      }
      group_of[c] = (uint8_t)groups;
      gathered += row_totals[c];
    }
    if (groups < groups_max) return groups + 1;
  }
}

/* costs[from · GROUPS_MAX + to] of one class that holds groups from … to. */
static void class_costs(const uint32_t *counts, const uint8_t *group_of, uint32_t groups,
                        uint32_t sampled, uint32_t whole, uint32_t (*sums)[256],
                        uint64_t *costs) {
  for (int c = 0; c < 256; c++) {
    for (int s = 0; s < 256; s++) sums[group_of[c]][s] += counts[c * 256 + s];
  }
  for (uint32_t from = 0; from < groups; from++) {
    uint32_t merged[256] = {0};
    for (uint32_t to = from; to < groups; to++) {
      for (int s = 0; s < 256; s++) merged[s] += sums[to][s];
      const uint64_t table = stats_table_cost(merged) * sampled / whole;
      costs[from * GROUPS_MAX + to] = stats_cost(merged) + table;
    }
  }
}

/* The cheapest cut of the groups into consecutive classes. */
static void cut_groups(const uint64_t *costs, const uint8_t *group_of, uint32_t groups,
                       uint32_t classes_max, stats_split *split) {
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
  split->cut.classes = chosen + 1;
  split->cost = best[chosen][groups - 1];
  uint8_t last_context[GROUPS_MAX];
  for (int c = 0; c < 256; c++) last_context[group_of[c]] = (uint8_t)c;
  uint32_t end = groups;
  for (uint32_t k = chosen; k > 0; k--) {
    end = cut[k][end - 1];
    split->cut.last[k - 1] = last_context[end - 1];
  }
}

int stats_find_split(const uint32_t *counts, uint32_t classes_max, uint32_t groups_max,
                     uint32_t sampled, uint32_t whole, stats_split *split) {
  uint32_t(*sums)[256] = calloc(GROUPS_MAX, sizeof *sums);
  uint64_t *costs = malloc(sizeof *costs * GROUPS_MAX * GROUPS_MAX);
  if (sums && costs) {
    uint8_t group_of[256];
    const uint32_t groups =
        find_groups(counts, groups_max < GROUPS_MAX ? groups_max : GROUPS_MAX, group_of);
    class_costs(counts, group_of, groups, sampled, whole, sums, costs);
    cut_groups(costs, group_of, groups, classes_max, split);
  }
  const int failed = sums && costs ? DLV_OK : DLV_ERR_MEMORY;
  free(sums);
  free(costs);
  return failed;
}
