/* Few distinct values: a palette, and the place of each element in it as one plane of bytes. */
#ifndef DLV_PALETTE_H
#define DLV_PALETTE_H

#include <stdint.h>

#include "kernel.h"

#define PALETTE_MAX 256

typedef struct {
  uint32_t size;                              /* 1 … PALETTE_MAX */
  uint8_t bytes[DLV_WIDTH_MAX][PALETTE_MAX];  /* plane k of each value, values ascending */
} palette;

/*
 * Finds the distinct values and writes each element's index. Returns 0 if there are more than
 * PALETTE_MAX, or so many that a palette cannot save anything.
 */
int palette_find(const uint8_t *const *planes, uint32_t width, uint32_t n, palette *found,
                 uint8_t *indices);

/* Planes 0 … wanted − 1 of the elements; every index must be below the size. */
void palette_apply(const palette *from, const uint8_t *indices, uint32_t n, uint32_t wanted,
                   uint8_t *const *planes);

/* 1 if an index is not below the size. */
int palette_exceeded(const palette *from, const uint8_t *indices, uint32_t n);

#endif
