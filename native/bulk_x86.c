/* Loops of bulk.h with AVX2 (the compiler's) and AVX-512 (compress and expand). */
#include "dispatch.h"

#ifdef DLV_X86
#include <immintrin.h>

#define BULK_VECTOR 32
#include "bulk_body.h"

__attribute__((target("avx2,popcnt"))) void bulk_classes_avx2(const uint8_t *p0, const uint8_t *p1,
                                                              uint32_t shift, uint32_t n,
                                                              const bulk_cut *cut, uint8_t *out) {
  classes_body(p0, p1, shift, n, cut, out);
}

__attribute__((target("avx2,popcnt"))) uint32_t bulk_mask_avx2(const uint8_t *const *child,
                                                               const uint8_t *const *base,
                                                               uint32_t width, uint32_t n,
                                                               uint8_t *mask) {
  uint32_t changed = 0;
  uint32_t i = 0;
  for (; n - i >= 32; i += 32) {
    __m256i differs = _mm256_setzero_si256();
    for (uint32_t k = 0; k < width; k++) {
      const __m256i c = _mm256_loadu_si256((const __m256i *)(child[k] + i));
      const __m256i b = _mm256_loadu_si256((const __m256i *)(base[k] + i));
      differs = _mm256_or_si256(differs, _mm256_xor_si256(c, b));
    }
    const __m256i equal = _mm256_cmpeq_epi8(differs, _mm256_setzero_si256());
    const uint32_t bits = ~(uint32_t)_mm256_movemask_epi8(equal);
    memcpy(mask + i / 8, &bits, 4);
    changed += (uint32_t)__builtin_popcount(bits);
  }
  const uint8_t *child_rest[8], *base_rest[8];
  for (uint32_t k = 0; k < width; k++) {
    child_rest[k] = child[k] + i;
    base_rest[k] = base[k] + i;
  }
  return changed + mask_body(child_rest, base_rest, width, n - i, mask + i / 8);
}

__attribute__((target("avx2,popcnt"))) uint32_t bulk_map_above_avx2(const uint8_t *above,
                                                                    uint32_t n, const bulk_map *map,
                                                                    uint8_t *classes) {
  __m256i rows[4];
  for (int u = 0; u < 4; u++) {
    rows[u] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)map->table[u]));
  }
  uint32_t i = 0;
  for (; n - i >= 32; i += 32) {
    const __m256i digit = _mm256_loadu_si256((const __m256i *)(above + i));
    const __m256i class = _mm256_loadu_si256((const __m256i *)(classes + i));
    __m256i table = _mm256_shuffle_epi8(rows[3], class);
    table = _mm256_blendv_epi8(table, _mm256_shuffle_epi8(rows[0], class),
                               _mm256_cmpeq_epi8(digit, _mm256_setzero_si256()));
    table = _mm256_blendv_epi8(table, _mm256_shuffle_epi8(rows[1], class),
                               _mm256_cmpeq_epi8(digit, _mm256_set1_epi8(1)));
    table = _mm256_blendv_epi8(table, _mm256_shuffle_epi8(rows[2], class),
                               _mm256_cmpeq_epi8(digit, _mm256_set1_epi8(-1)));
    _mm256_storeu_si256((__m256i *)(classes + i), table);
  }
  return i;
}

__attribute__((target("avx2"))) bulk_extremes bulk_extremes_avx2(const uint8_t *bytes, uint32_t n) {
  return extremes_body(bytes, n);
}

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))

/* Classes of 64 contexts are one look-up in 256 bytes. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi"))) void bulk_classes_vbmi(
    const uint8_t *p0, const uint8_t *p1, uint32_t shift, uint32_t n, const bulk_cut *cut,
    uint8_t *out) {
  uint8_t table[256];
  for (uint32_t context = 0; !cut && context < 256; context++) table[context] = (uint8_t)context;
  for (uint32_t class = 0, from = 0; cut && class < cut->classes; class++) {
    const uint32_t end = class + 1 < cut->classes ? cut->last[class] + 1u : 256;
    if (end > from) memset(table + from, (int)class, end - from);
    from = end;
  }
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  const __m512i upper = _mm512_set1_epi8((char)(0xff << shift));
  const __m128i left = _mm_cvtsi32_si128((int)shift), right = _mm_cvtsi32_si128((int)(8 - shift));
  uint32_t i = 0;
  for (; n - i >= 64; i += 64) {
    __m512i context = _mm512_loadu_si512(p0 + i);
    context = _mm512_and_si512(_mm512_sll_epi16(context, left), upper);
    if (p1) {
      const __m512i low = _mm512_srl_epi16(_mm512_loadu_si512(p1 + i), right);
      context = _mm512_or_si512(context, _mm512_andnot_si512(upper, low));
    }
    const __m512i lower_half = _mm512_permutex2var_epi8(t0, context, t1);
    const __m512i upper_half = _mm512_permutex2var_epi8(t2, context, t3);
    const __mmask64 is_upper = _mm512_movepi8_mask(context);
    _mm512_storeu_si512(out + i, _mm512_mask_mov_epi8(lower_half, is_upper, upper_half));
  }
  for (; i < n; i++) {
    out[i] = table[(uint8_t)(p0[i] << shift | (p1 ? p1[i] >> (8 - shift) : 0))];
  }
}

AVX512 int bulk_count_rare_avx512(const uint8_t *bytes, const uint8_t *rows, uint32_t n,
                                  uint32_t row_count, uint32_t *counts) {
  const __m512i zero = _mm512_setzero_si512();
  uint32_t others = 0;
  for (uint32_t i = 0; i < n; i += 64) {
    const __m512i b = _mm512_loadu_si512(bytes + i);
    others += (uint32_t)__builtin_popcountll(_mm512_cmpneq_epi8_mask(b, zero));
  }
  if (others > n / 32) return 0;
  uint32_t zeros[RANS_CLASSES_MAX] = {0};
  for (uint32_t i = 0; i < n; i += 64) {
    const __m512i b = _mm512_loadu_si512(bytes + i), r = _mm512_loadu_si512(rows + i);
    uint64_t left = _mm512_cmpneq_epi8_mask(b, zero);
    for (uint32_t row = 0; row < row_count; row++) {
      const __mmask64 there = _mm512_cmpeq_epi8_mask(r, _mm512_set1_epi8((char)row));
      zeros[row] += (uint32_t)__builtin_popcountll(there & ~left);
    }
    for (; left; left &= left - 1) {
      const uint32_t at = i + (uint32_t)__builtin_ctzll(left);
      counts[(uint32_t)rows[at] << 8 | bytes[at]]++;
    }
  }
  for (uint32_t row = 0; row < row_count; row++) counts[row << 8] += zeros[row];
  return 1;
}

AVX512 uint32_t bulk_compact_avx512(const uint8_t *plane, const uint8_t *mask, uint32_t n,
                                    uint8_t **out) {
  uint8_t *at = *out;
  uint32_t i = 0;
  for (; n - i >= 64; i += 64) {
    uint64_t bits;
    memcpy(&bits, mask + i / 8, 8);
    const uint32_t count = (uint32_t)__builtin_popcountll(bits);
    const __m512i kept = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(plane + i));
    _mm512_storeu_si512(at, kept);
    at += count;
  }
  *out = at;
  return i;
}

AVX512 uint32_t bulk_expand_avx512(const uint8_t **values, const uint8_t *base, const uint8_t *mask,
                                   uint32_t n, uint8_t *out) {
  const uint8_t *at = *values;
  uint32_t i = 0;
  for (; n - i >= 64; i += 64) {
    uint64_t bits;
    memcpy(&bits, mask + i / 8, 8);
    const uint32_t count = (uint32_t)__builtin_popcountll(bits);
    const __m512i next = _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, count), at);
    const __m512i old = _mm512_loadu_si512(base + i);
    _mm512_storeu_si512(out + i, _mm512_mask_expand_epi8(old, bits, next));
    at += count;
  }
  *values = at;
  return i;
}
#endif
