/*
 * Loops over whole planes that every build vectorises: classes of contexts, masks of changed
 * elements, keeping and placing masked bytes, counting. Same results from every build.
 */
#ifndef DLV_BULK_H
#define DLV_BULK_H

#include <stdint.h>

#include "rans.h"

/* Contexts cut into classes: class = how many of `last` are below the context. */
typedef struct {
  uint32_t classes; /* 1 … RANS_CLASSES_MAX */
  uint8_t last[RANS_CLASSES_MAX]; /* last context of each class but the last one, ascending */
} bulk_cut;

/*
 * Class of each element, or without a cut its context: p0 << shift | p1 >> (8 − shift), mod 256;
 * p1 may be NULL and counts as 0 then.
 */
void bulk_classes(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                  const bulk_cut *cut, uint8_t *out);

/* Table of a symbol by class and by the digit above it: 0, 1, 255, any other. */
typedef struct {
  uint8_t table[4][RANS_CLASSES_MAX];
} bulk_map;

/* Replaces classes by tables. */
void bulk_map_above(const uint8_t *above, uint32_t n, const bulk_map *map, uint8_t *classes);

/* mask: ⌈n / 8⌉ bytes, least significant bit first, set where a plane differs; answers how many. */
uint32_t bulk_mask(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                   uint32_t n, uint8_t *mask);
/* Set bits of a mask of n bits whose spare bits are clear. */
uint32_t bulk_count(const uint8_t *mask, uint32_t n);
/* Bytes behind those that bulk_compact keeps which it may write over. */
#define BULK_SLACK 64
/* Keeps the bytes whose bit is set. */
void bulk_compact(const uint8_t *plane, const uint8_t *mask, uint32_t n, uint8_t *out);
/* Bytes of base, those whose bit is set replaced by the next of values. */
void bulk_expand(const uint8_t *values, const uint8_t *base, const uint8_t *mask, uint32_t n,
                 uint8_t *out);

/* Least and largest byte, and of bytes with the sign bit turned, so that signed ones are in order. */
typedef struct {
  uint8_t low, high, signed_low, signed_high;
} bulk_extremes;

/* A run of byte values, those above 255 again from 0. */
typedef struct {
  uint8_t from;
  uint32_t count; /* 1 … 256 */
} bulk_values;

/* The shorter of two runs that have all n ≥ 1 bytes: of unsigned and of signed numbers. */
bulk_values bulk_range(const uint8_t *bytes, uint32_t n);
/* Adds n symbols to 256 counts. */
void bulk_histogram(const uint8_t *bytes, uint32_t n, uint32_t *counts);
/* Numbers that bulk_count_rows counts with. */
#define BULK_PARTS (4 * RANS_CLASSES_MAX * 256)
/* Most symbols that it counts at once. */
#define BULK_COUNTED_MAX 65535u
/* Adds n symbols, each in its row below row_count, to counts[256 · row + symbol]. */
void bulk_count_rows(const uint8_t *bytes, const uint8_t *rows, uint32_t n, uint32_t row_count,
                     uint16_t *parts, uint32_t *counts);

#endif
