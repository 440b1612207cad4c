/* Portable loops of bulk.h, and the choice of faster ones. */
#include "bulk.h"

#include <string.h>

#include "bulk_body.h"
#include "dispatch.h"

void bulk_classes(const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n,
                  const bulk_cut *cut, uint8_t *out) {
#ifdef DLV_X86
  if (dlv_has_avx512()) {
    bulk_classes_vbmi(p0, p1, shift, n, cut, out);
    return;
  }
  if (dlv_has_avx2()) {
    bulk_classes_avx2(p0, p1, shift, n, cut, out);
    return;
  }
#endif
  classes_body(p0, p1, shift, n, cut, out);
}

void bulk_map_above(const uint8_t *above, uint32_t n, const bulk_map *map, uint8_t *classes) {
  uint32_t i = 0;
#ifdef DLV_X86
  if (dlv_has_avx2()) i = bulk_map_above_avx2(above, n, map, classes);
#endif
  uint8_t kinds[256];
  memset(kinds, 3 * RANS_CLASSES_MAX, sizeof kinds);
  kinds[0] = 0;
  kinds[1] = RANS_CLASSES_MAX;
  kinds[255] = 2 * RANS_CLASSES_MAX;
  const uint8_t *flat = map->table[0];
  for (; i < n; i++) classes[i] = flat[kinds[above[i]] + classes[i]];
}

uint32_t bulk_mask(const uint8_t *const *child, const uint8_t *const *base, uint32_t width,
                   uint32_t n, uint8_t *mask) {
#ifdef DLV_X86
  if (dlv_has_avx2()) return bulk_mask_avx2(child, base, width, n, mask);
#endif
  return mask_body(child, base, width, n, mask);
}

uint32_t bulk_count(const uint8_t *mask, uint32_t n) {
  const uint32_t bytes = (n + 7) / 8;
  uint32_t count = 0;
  uint32_t i = 0;
  for (; bytes - i >= 8; i += 8) {
    uint64_t word;
    memcpy(&word, mask + i, 8);
    count += (uint32_t)__builtin_popcountll(word);
  }
  for (; i < bytes; i++) count += (uint32_t)__builtin_popcount(mask[i]);
  return count;
}

void bulk_compact(const uint8_t *plane, const uint8_t *mask, uint32_t n, uint8_t *out) {
  uint32_t i = 0;
#ifdef DLV_X86
  if (dlv_has_avx512()) i = bulk_compact_avx512(plane, mask, n, &out);
#endif
  for (; n - i >= 8; i += 8) {
    uint32_t bits = mask[i >> 3];
    if (bits == 255) {
      memcpy(out, plane + i, 8);
      out += 8;
    } else {
      for (; bits; bits &= bits - 1) *out++ = plane[i + (uint32_t)__builtin_ctz(bits)];
    }
  }
  for (; i < n; i++) {
    if (mask[i >> 3] >> (i & 7) & 1) *out++ = plane[i];
  }
}

void bulk_expand(const uint8_t *values, const uint8_t *base, const uint8_t *mask, uint32_t n,
                 uint8_t *out) {
  uint32_t i = 0;
#ifdef DLV_X86
  if (dlv_has_avx512()) i = bulk_expand_avx512(&values, base, mask, n, out);
#endif
  for (; n - i >= 8; i += 8) {
    uint32_t bits = mask[i >> 3];
    memcpy(out + i, bits == 255 ? values : base + i, 8);
    if (bits == 255) {
      values += 8;
    } else {
      for (; bits; bits &= bits - 1) out[i + (uint32_t)__builtin_ctz(bits)] = *values++;
    }
  }
  for (; i < n; i++) out[i] = mask[i >> 3] >> (i & 7) & 1 ? *values++ : base[i];
}

void bulk_count_rows(const uint8_t *bytes, const uint8_t *rows, uint32_t n, uint32_t row_count,
                     uint16_t *parts, uint32_t *counts) {
#ifdef DLV_X86
  const uint32_t whole = n & ~63u;
  if (dlv_has_avx512() && bulk_count_rare_avx512(bytes, rows, whole, row_count, counts)) {
    for (uint32_t i = whole; i < n; i++) counts[(uint32_t)rows[i] << 8 | bytes[i]]++;
    return;
  }
#endif
  /* Four tables that are added at the end: an increment seldom waits for the one before. */
  const uint32_t size = row_count * 256;
  uint16_t *p0 = parts, *p1 = p0 + size, *p2 = p1 + size, *p3 = p2 + size;
  memset(parts, 0, 4 * size * sizeof *parts);
  uint32_t i = 0;
  for (; n - i >= 8; i += 8) {
    uint64_t b, r;
    memcpy(&b, bytes + i, 8);
    memcpy(&r, rows + i, 8);
    for (uint32_t k = 0; k < 8; k += 4) {
      p0[(r & 255) << 8 | (b & 255)]++;
      p1[(r >> 8 & 255) << 8 | (b >> 8 & 255)]++;
      p2[(r >> 16 & 255) << 8 | (b >> 16 & 255)]++;
      p3[(r >> 24 & 255) << 8 | (b >> 24 & 255)]++;
      b >>= 32;
      r >>= 32;
    }
  }
  for (; i < n; i++) p0[(uint32_t)rows[i] << 8 | bytes[i]]++;
  for (uint32_t s = 0; s < size; s++) counts[s] += (uint16_t)(p0[s] + p1[s] + p2[s] + p3[s]);
}

bulk_values bulk_range(const uint8_t *bytes, uint32_t n) {
  bulk_extremes found;
#ifdef DLV_X86
  if (dlv_has_avx2()) found = bulk_extremes_avx2(bytes, n);
  else
#endif
    found = extremes_body(bytes, n);
  const uint32_t plain = found.high - found.low + 1u;
  const uint32_t turned = found.signed_high - found.signed_low + 1u;
  if (turned <= plain) return (bulk_values){found.signed_low ^ 0x80, turned};
  return (bulk_values){found.low, plain};
}

void bulk_histogram(const uint8_t *bytes, uint32_t n, uint32_t *counts) {
  if (n < 2048) {
    for (uint32_t i = 0; i < n; i++) counts[bytes[i]]++;
    return;
  }
  /* Four tables that are added at the end: no increment waits for the one before. */
  uint32_t parts[4][256];
  memset(parts, 0, sizeof parts);
  uint32_t i = 0;
  for (; n - i >= 8; i += 8) {
    uint64_t b;
    memcpy(&b, bytes + i, 8);
    for (uint32_t k = 0; k < 8; k += 4) {
      parts[0][b & 255]++;
      parts[1][b >> 8 & 255]++;
      parts[2][b >> 16 & 255]++;
      parts[3][b >> 24 & 255]++;
      b >>= 32;
    }
  }
  for (; i < n; i++) parts[0][bytes[i]]++;
  for (uint32_t s = 0; s < 256; s++)
    counts[s] += parts[0][s] + parts[1][s] + parts[2][s] + parts[3][s];
}
