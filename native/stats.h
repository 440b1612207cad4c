/* Order-0 and conditional statistics in fixed point, and the split of contexts into classes. */
#ifndef DLV_STATS_H
#define DLV_STATS_H

#include <stdint.h>

#include "bulk.h"
#include "rans.h"

/* Costs are in 1/65536 bit. */
#define COST_ONE 65536u

/* log2(value) in 1/65536, value ≥ 1; exact to about 1/4096 bit. */
uint32_t stats_log2(uint32_t value);
/* Cost of coding symbols with these counts at order 0, tables apart. */
uint64_t stats_cost(const uint32_t *counts);
/* Cost of writing the table of these counts: an estimate of table.c's code. */
uint64_t stats_table_cost(const uint32_t *counts);

/* A cut of the 256 contexts, and what the symbols and tables then cost. */
typedef struct {
  bulk_cut cut;
  uint64_t cost;
} stats_split;

/*
 * Finds the cheapest cut of contexts into at most `classes_max` classes.
 * counts: 256 rows (contexts) of 256 symbols, from `sampled` of `whole` symbols: tables weigh less
 * the smaller the sample is. groups_max: neighbouring contexts are joined to at most so many, ≤ 64.
 * Returns 0, or a negative error if memory is short.
 */
int stats_find_split(const uint32_t *counts, uint32_t classes_max, uint32_t groups_max,
                     uint32_t sampled, uint32_t whole, stats_split *split);

#endif
