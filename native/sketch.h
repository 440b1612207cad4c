/* Distances of sketches: lib/pure/codec/sketch.ts is the oracle. */
#ifndef DLV_SKETCH_H
#define DLV_SKETCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * For each of `rows` sketches, `stride` bytes apart: the sum over `length / width` samples of the bit
 * length of the difference to `sketch`, modulo 2^(8 width) towards the nearer side. Samples are big
 * endian numbers of 1 … 8 bytes.
 */
void dlv_sketch_distances(const uint8_t *sketch, uint32_t length, uint32_t width,
                          const uint8_t *rows, size_t count, size_t stride, uint32_t *sums);

#endif
