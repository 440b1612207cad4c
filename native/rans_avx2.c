/* Rounds of 64 lanes with AVX2: eight vectors of eight states, independent of each other. */
#include "dispatch.h"

#ifdef DLV_X86
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,popcnt")))

/* For each mask of lanes: which of the next eight words each lane takes. */
static uint32_t word_of_lane[256][8];
/* For each mask of lanes: the shuffle that moves their words to the end of a vector. */
static uint8_t lanes_to_end[256][16];
static int ready;

static void prepare(void) {
  for (int mask = 0; mask < 256; mask++) {
    uint32_t next = 0;
    for (int lane = 0; lane < 8; lane++) {
      word_of_lane[mask][lane] = next;
      next += (uint32_t)(mask >> lane & 1);
    }
    int to = 8 - (int)next;
    for (int i = 0; i < 16; i++) lanes_to_end[mask][i] = 0x80;
    for (int lane = 0; lane < 8; lane++) {
      if (!(mask >> lane & 1)) continue;
      lanes_to_end[mask][2 * to] = (uint8_t)(2 * lane);
      lanes_to_end[mask][2 * to + 1] = (uint8_t)(2 * lane + 1);
      to++;
    }
  }
  __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

/*
 * A gather whose destination is a fresh zero and whose mask the compiler cannot see through: it would
 * leave the register's old content as an input otherwise, which chains gathers that have nothing to
 * do with each other.
 */
AVX2 static inline __m256i fetch(const void *table, __m256i index, const int scale) {
  __m256i zero;
  __m256i all = _mm256_set1_epi32(-1);
  __asm__("vpxor %0, %0, %0" : "=x"(zero), "+x"(all) : "x"(index));
  if (scale == 4) return _mm256_mask_i32gather_epi32(zero, table, index, all, 4);
  return _mm256_mask_i32gather_epi32(zero, table, index, all, 8);
}

AVX2 static inline __m256i pull(__m256i x, __m256i slots, const uint32_t *entries,
                                const uint8_t **at, __m256i *symbols) {
  const __m256i entry = fetch(entries, slots, 4);
  *symbols = entry;
  const __m256i freq = _mm256_srli_epi32(entry, 20);
  const __m256i bias = _mm256_and_si256(_mm256_srli_epi32(entry, 8), _mm256_set1_epi32(0xfff));
  x = _mm256_add_epi32(_mm256_mullo_epi32(freq, _mm256_srli_epi32(x, RANS_BITS)), bias);
  const __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(RANS_LOW), x);
  const uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low));
  const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)*at));
  const __m256i order = _mm256_loadu_si256((const __m256i *)word_of_lane[mask]);
  const __m256i taken = _mm256_permutevar8x32_epi32(words, order);
  const __m256i fed = _mm256_or_si256(_mm256_slli_epi32(x, 16), taken);
  *at += 2 * (size_t)__builtin_popcount(mask);
  return _mm256_blendv_epi8(x, fed, low);
}

/* The low bytes of 32 entries, in order. */
AVX2 static inline __m256i pack(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i byte = _mm256_set1_epi32(0xff);
  const __m256i ab = _mm256_packus_epi32(_mm256_and_si256(a, byte), _mm256_and_si256(b, byte));
  const __m256i cd = _mm256_packus_epi32(_mm256_and_si256(c, byte), _mm256_and_si256(d, byte));
  const __m256i mixed = _mm256_packus_epi16(ab, cd);
  return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

AVX2 uint32_t rans_decode_avx2(const uint8_t **at_inout, const uint8_t *last,
                               const uint8_t *classes, uint32_t i, uint32_t n, uint32_t *states,
                               const uint32_t *entries, uint8_t *out) {
  if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) prepare();
  const uint8_t *at = *at_inout;
  __m256i x[8];
  for (int v = 0; v < 8; v++) x[v] = _mm256_loadu_si256((const __m256i *)(states + 8 * v));
  const __m256i slot_mask = _mm256_set1_epi32(RANS_TOTAL - 1);
  for (; n - i >= 64 && at <= last; i += 64) {
    __m256i symbols[8];
#pragma GCC unroll 8
    for (int v = 0; v < 8; v++) {
      __m256i slots = _mm256_and_si256(x[v], slot_mask);
      if (classes) {
        const __m256i class =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(classes + i + 8 * v)));
        slots = _mm256_or_si256(slots, _mm256_slli_epi32(class, RANS_BITS));
      }
      x[v] = pull(x[v], slots, entries, &at, &symbols[v]);
    }
    _mm256_storeu_si256((__m256i *)(out + i), pack(symbols[0], symbols[1], symbols[2], symbols[3]));
    _mm256_storeu_si256((__m256i *)(out + i + 32),
                        pack(symbols[4], symbols[5], symbols[6], symbols[7]));
  }
  for (int v = 0; v < 8; v++) _mm256_storeu_si256((__m256i *)(states + 8 * v), x[v]);
  *at_inout = at;
  return i;
}

/* Encodes eight symbols; their words, if any, go below `at`. */
AVX2 static inline __m256i push(__m256i x, __m256i index, const rans_symbol *symbols,
                                uint8_t **at) {
  const int *table = (const int *)symbols;
  const __m256i reciprocal = fetch(table, index, 8);
  const __m256i packed = fetch(table + 1, index, 8);
  const __m256i complement = _mm256_and_si256(packed, _mm256_set1_epi32(0xfff));
  const __m256i reach = _mm256_add_epi32(_mm256_srli_epi32(x, 20), complement);
  const __m256i full = _mm256_cmpgt_epi32(reach, _mm256_set1_epi32(RANS_TOTAL - 1));
  const uint32_t mask = (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(full));
  const __m256i words = _mm256_and_si256(x, _mm256_set1_epi32(0xffff));
  const __m128i eight =
      _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  const __m128i order = _mm_loadu_si128((const __m128i *)lanes_to_end[mask]);
  _mm_storeu_si128((__m128i *)(*at - 16), _mm_shuffle_epi8(eight, order));
  *at -= 2 * (size_t)__builtin_popcount(mask);
  x = _mm256_blendv_epi8(x, _mm256_srli_epi32(x, 16), full);
  const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(x, reciprocal), 32);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(reciprocal, 32));
  const __m256i high = _mm256_blend_epi32(even, odd, 0xaa);
  const __m256i q = _mm256_srlv_epi32(high, _mm256_srli_epi32(packed, 24));
  const __m256i bias = _mm256_and_si256(_mm256_srli_epi32(packed, 12), _mm256_set1_epi32(0xfff));
  return _mm256_add_epi32(_mm256_add_epi32(x, bias), _mm256_mullo_epi32(q, complement));
}

AVX2 uint8_t *rans_encode_avx2(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                               uint32_t *states, const rans_symbol *symbols, uint8_t *at) {
  if (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) prepare();
  __m256i x[8];
  for (int v = 0; v < 8; v++) x[v] = _mm256_loadu_si256((const __m256i *)(states + 8 * v));
  while (i > 0) {
    i -= 64;
#pragma GCC unroll 8
    for (int v = 7; v >= 0; v--) {
      __m256i index = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(bytes + i + 8 * v)));
      if (classes) {
        const __m256i class =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(classes + i + 8 * v)));
        index = _mm256_or_si256(index, _mm256_slli_epi32(class, 8));
      }
      x[v] = push(x[v], index, symbols, &at);
    }
  }
  for (int v = 0; v < 8; v++) _mm256_storeu_si256((__m256i *)(states + 8 * v), x[v]);
  return at;
}
#endif
