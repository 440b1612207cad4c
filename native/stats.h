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
/* Fills the table of stats_weight; to be called before it, by any thread. */
void stats_prepare(void);
#define STATS_WEIGHTS 4096
extern uint32_t stats_weights[STATS_WEIGHTS];
/* value · log2(value), 0 for 0. */
static inline uint64_t stats_weight(uint32_t value) {
  return value < STATS_WEIGHTS ? stats_weights[value] : (uint64_t)value * stats_log2(value);
}
/* Cost of coding symbols with these counts at order 0, tables apart. */
uint64_t stats_cost(const uint32_t *counts);
/* How often each symbol occurs under each context. */
typedef struct {
  uint32_t *counts; /* 256 rows (contexts) of 256 symbols; rows without symbols hold anything */
  uint32_t totals[256]; /* of the rows */
  uint32_t total;
} stats_matrix;

/* Joins symbols for the search: they count as equally likely within a bucket. */
enum { STATS_DIGITS, STATS_BYTES };

/*
 * Finds the cheapest cut of contexts into at most `classes_max` classes.
 * whole: symbols that will be coded: the smaller the sample, the less tables count.
 * groups_max: neighbouring contexts are joined to at most so many, ≤ 64.
 * buckets: STATS_DIGITS: finer around 0 (mod 256); STATS_BYTES: all of one size.
 */
void stats_find_cut(const stats_matrix *matrix, uint32_t classes_max, uint32_t groups_max,
                    int buckets, uint32_t whole, bulk_cut *cut);

#endif
