#include "sketch.h"

static inline uint64_t sample(const uint8_t *bytes, uint32_t width) {
  uint64_t value = 0;
  for (uint32_t k = 0; k < width; k++) value = value << 8 | bytes[k];
  return value;
}

static inline uint32_t distance(const uint8_t *a, const uint8_t *b, uint32_t length,
                                uint32_t width) {
  const uint64_t mask = ~(uint64_t)0 >> (64 - 8 * width);
  uint32_t sum = 0;
  for (uint32_t at = 0; at < length; at += width) {
    const uint64_t d = (sample(a + at, width) - sample(b + at, width)) & mask;
    const uint64_t other = (0 - d) & mask;
    const uint64_t least = d < other ? d : other;
    sum += least ? 64u - (uint32_t)__builtin_clzll(least) : 0;
  }
  return sum;
}

void dlv_sketch_distances(const uint8_t *sketch, uint32_t length, uint32_t width,
                          const uint8_t *rows, size_t count, size_t stride, uint32_t *sums) {
  for (size_t i = 0; i < count; i++) {
    const uint8_t *row = rows + i * stride;
    /* A width that is known turns the loop over its bytes into one load. */
    switch (width) {
      case 1: sums[i] = distance(sketch, row, length, 1); break;
      case 2: sums[i] = distance(sketch, row, length, 2); break;
      case 4: sums[i] = distance(sketch, row, length, 4); break;
      case 8: sums[i] = distance(sketch, row, length, 8); break;
      default: sums[i] = distance(sketch, row, length, width);
    }
  }
}
