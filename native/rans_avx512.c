/* Rounds of 64 lanes with AVX-512: four vectors of sixteen states. Same stream as rans_avx2.c. */
#include "dispatch.h"

#ifdef DLV_X86
#include <immintrin.h>

#define AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vnni,popcnt")))

/*
 * Gathers whose destination is a fresh zero and whose mask the compiler cannot see through: it would
 * leave the register's old content as an input otherwise, which chains gathers that have nothing to
 * do with each other (half the speed).
 */
#define FRESH(index)      \
  __m512i zero;           \
  __mmask16 all = 0xffff; \
  __asm__("vpxord %0, %0, %0" : "=v"(zero), "+Yk"(all) : "v"(index))

AVX512 static inline __m512i fetch_entry(const uint32_t *entries, __m512i index) {
  FRESH(index);
  return _mm512_mask_i32gather_epi32(zero, all, index, entries, 4);
}

/* Two symbols; plain loads, which take less time than the gathers that there are. */
AVX512 static inline __m128i fetch_two(const rans_symbol *symbols, const uint16_t *index) {
  const __m128i one = _mm_loadl_epi64((const __m128i *)(symbols + index[0]));
  return _mm_castps_si128(_mm_loadh_pi(_mm_castsi128_ps(one), (const __m64 *)(symbols + index[1])));
}

AVX512 static inline __m512i fetch_eight(const rans_symbol *symbols, const uint16_t *index) {
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(fetch_two(symbols, index)),
                                              fetch_two(symbols, index + 2), 1);
  const __m256i high = _mm256_inserti128_si256(
      _mm256_castsi128_si256(fetch_two(symbols, index + 4)), fetch_two(symbols, index + 6), 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Places of 64 symbols in their tables. */
AVX512 static inline void find_places(const uint8_t *bytes, const uint8_t *classes,
                                      uint16_t *places) {
  for (int half = 0; half < 64; half += 32) {
    __m512i place = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)(bytes + half)));
    if (classes) {
      const __m256i class = _mm256_loadu_si256((const void *)(classes + half));
      place = _mm512_or_si512(place, _mm512_slli_epi16(_mm512_cvtepu8_epi16(class), 8));
    }
    _mm512_store_si512(places + half, place);
  }
}

AVX512 static inline __m512i widen(const uint8_t *bytes) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes));
}

/* The words that low states take. */
AVX512 static inline __m512i feed(__m512i x, __mmask16 low, const uint8_t **at) {
  const __m256i words = _mm256_maskz_expand_epi16(low, _mm256_loadu_si256((const void *)*at));
  *at += 2 * (size_t)__builtin_popcount(low);
  return _mm512_or_si512(_mm512_mask_slli_epi32(x, low, x, 16), _mm512_cvtepu16_epi32(words));
}

/* Decodes sixteen symbols; answers states that may be low. class: of each, RANS_BITS to the left. */
AVX512 static inline __m512i take(__m512i x, __m512i class, const uint32_t *entries, uint8_t *out) {
  const __m512i slot = _mm512_and_si512(x, _mm512_set1_epi32(RANS_TOTAL - 1));
  const __m512i entry = fetch_entry(entries, _mm512_or_si512(slot, class));
  _mm_storeu_si128((__m128i *)out, _mm512_cvtepi32_epi8(entry));
  const __m512i freq = _mm512_srli_epi32(entry, 20);
  const __m512i bias = _mm512_and_si512(_mm512_srli_epi32(entry, 8), _mm512_set1_epi32(0xfff));
  return _mm512_add_epi32(_mm512_mullo_epi32(freq, _mm512_srli_epi32(x, RANS_BITS)), bias);
}

/* The same with the words that low states take. */
AVX512 static inline __m512i pop(__m512i x, __m512i class, const uint32_t *entries,
                                 const uint8_t **at, uint8_t *out) {
  const __m512i next = take(x, class, entries, out);
  return feed(next, _mm512_cmplt_epu32_mask(next, _mm512_set1_epi32(RANS_LOW)), at);
}

AVX512 uint32_t rans_decode_avx512(const uint8_t **at_inout, const uint8_t *last,
                                   const uint8_t *classes, uint32_t i, uint32_t n, uint32_t *states,
                                   const uint32_t *entries, uint8_t *out) {
  const uint8_t *at = *at_inout;
  __m512i x[4];
  for (int v = 0; v < 4; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  for (; n - i >= 64 && at <= last; i += 64) {
#pragma GCC unroll 4
    for (uint32_t v = 0; v < 64; v += 16) {
      const __m512i class = classes ? widen(classes + i + v) : _mm512_setzero_si512();
      x[v / 16] = pop(x[v / 16], _mm512_slli_epi32(class, RANS_BITS), entries, &at, out + i + v);
    }
  }
  for (int v = 0; v < 4; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  *at_inout = at;
  return i;
}

/* Classes of 64 symbols, each in the bits of a byte that are in place once it is the second one of its lane. */
AVX512 static inline __m512i classes_at(const uint8_t *classes, uint32_t i) {
  if (classes == NULL) return _mm512_setzero_si512();
  return _mm512_slli_epi16(_mm512_loadu_si512(classes + i), RANS_BITS - 8);
}

/* Those of sixteen of them. places: of them, in the second byte of each lane. */
AVX512 static inline __m512i spread(__m512i classes, __m512i places) {
  return _mm512_maskz_permutexvar_epi8(0x2222222222222222ull, places, classes);
}

AVX512 uint32_t rans_decode_two_avx512(const rans_block *a, const rans_block *b) {
  const uint8_t *at = a->reader->at, *bt = b->reader->at;
  const size_t a_left = (size_t)(a->reader->end - at), b_left = (size_t)(b->reader->end - bt);
  if (a_left < RANS_ROUND_BYTES || b_left < RANS_ROUND_BYTES) return 0;
  const uint8_t *a_last = a->reader->end - RANS_ROUND_BYTES;
  const uint8_t *b_last = b->reader->end - RANS_ROUND_BYTES;
  const uint32_t n = a->n < b->n ? a->n : b->n;
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m512i x[4], y[4], places[4];
  for (int v = 0; v < 4; v++) {
    x[v] = _mm512_loadu_si512(a->reader->states + 16 * v);
    y[v] = _mm512_loadu_si512(b->reader->states + 16 * v);
    places[v] = _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(16 * v)), 8);
  }
  uint32_t i = 0;
  for (; n - i >= 64 && at <= a_last && bt <= b_last; i += 64) {
    const __m512i c = classes_at(a->classes, i), d = classes_at(b->classes, i);
#pragma GCC unroll 4
    for (uint32_t v = 0; v < 4; v++) {
      x[v] = pop(x[v], spread(c, places[v]), a->entries, &at, a->out + i + 16 * v);
      y[v] = pop(y[v], spread(d, places[v]), b->entries, &bt, b->out + i + 16 * v);
    }
  }
  for (int v = 0; v < 4; v++) {
    _mm512_storeu_si512(a->reader->states + 16 * v, x[v]);
    _mm512_storeu_si512(b->reader->states + 16 * v, y[v]);
  }
  a->reader->at = at;
  b->reader->at = bt;
  return i;
}

/* A plane keeps its likely symbol as long as no more than one in so many rounds has another one. */
#define LIKELY_ROUNDS 4

/*
 * What a class takes off a state whose symbol is 0, by the two halves of a lane: x − (RANS_TOTAL − freq) · (x >> 11).
 * A class whose share does not fit has one of which no slot is known.
 */
static void find_shares(const rans_likely *likely, uint32_t *shares) {
  for (uint32_t class = 0; class < RANS_CLASSES_MAX; class++) {
    const uint32_t rest = RANS_TOTAL - likely->freq[class];
    const uint32_t low = rest <= 1024 ? (0u - rest) & 0xffff : (0u - RANS_TOTAL) & 0xffff;
    shares[class] = rest <= 1024 ? (0u - 32 * rest) << 16 | low : low;
  }
}

AVX512 uint32_t rans_decode_likely(const uint8_t **at_inout, const uint8_t *last,
                                   const uint8_t *classes, uint32_t n, uint32_t *states,
                                   const uint32_t *entries, rans_likely *likely, uint8_t *out) {
  const uint8_t *at = *at_inout;
  __m512i x[4];
  uint32_t share[RANS_CLASSES_MAX];
  find_shares(likely, share);
  for (int v = 0; v < 4; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  const __m512i low = _mm512_set1_epi32(RANS_LOW);
  const __m512i shares = _mm512_loadu_si512(share);
  /* x >> 16, and the bits of x >> 11 below that. */
  const __m512i shifts = _mm512_set1_epi32(RANS_BITS);
  uint32_t i = 0, others = 0;
  for (; n - i >= 64 && at <= last; i += 64) {
    __m512i next[4];
    __m512i carries = _mm512_setzero_si512();
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
      const __m512i class = classes ? widen(classes + i + 16 * v) : _mm512_setzero_si512();
      const __m512i taken = _mm512_permutexvar_epi32(class, shares);
      next[v] = _mm512_dpwssd_epi32(x[v], _mm512_srlv_epi16(x[v], shifts), taken);
      /* The slot and the rest of the table carry into the bit above where the symbol is not 0. */
      const __m512i sum = _mm512_sub_epi16(x[v], taken);
      carries = _mm512_or_si512(carries, _mm512_xor_si512(sum, x[v]));
    }
    _mm512_storeu_si512(out + i, _mm512_setzero_si512());
    if (__builtin_expect(_mm512_test_epi32_mask(carries, _mm512_set1_epi32(RANS_TOTAL)) != 0, 0)) {
      others++;
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        const __m512i class = classes ? widen(classes + i + 16 * v) : _mm512_setzero_si512();
        next[v] = take(x[v], _mm512_slli_epi32(class, RANS_BITS), entries, out + i + 16 * v);
      }
    }
    const __m512i least =
        _mm512_min_epu32(_mm512_min_epu32(next[0], next[1]), _mm512_min_epu32(next[2], next[3]));
    if (__builtin_expect(_mm512_cmplt_epu32_mask(least, low) != 0, 0)) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) {
        next[v] = feed(next[v], _mm512_cmplt_epu32_mask(next[v], low), &at);
      }
    }
    for (int v = 0; v < 4; v++) x[v] = next[v];
  }
  if (others > i / 64 / LIKELY_ROUNDS) likely->worth = 0;
  for (int v = 0; v < 4; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  *at_inout = at;
  return i;
}

/* Encodes sixteen symbols of which each has what encoding takes; their words, if any, go below `at`. */
AVX512 static inline __m512i push(__m512i x, __m512i reciprocal, __m512i packed, uint8_t **at) {
  const __m512i complement = _mm512_and_si512(packed, _mm512_set1_epi32(0xfff));
  const __m512i reach = _mm512_add_epi32(_mm512_srli_epi32(x, 20), complement);
  const __mmask16 full = _mm512_cmpge_epu32_mask(reach, _mm512_set1_epi32(RANS_TOTAL));
  const uint32_t words = (uint32_t)__builtin_popcount(full);
  /* Their words at the end of a vector; what stands before them is written over later. */
  const __m256i kept = _mm256_maskz_compress_epi16(full, _mm512_cvtepi32_epi16(x));
  const __m256i lanes = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m256i shift = _mm256_add_epi16(lanes, _mm256_set1_epi16((short)words));
  _mm256_storeu_si256((__m256i *)(*at - 32), _mm256_permutexvar_epi16(shift, kept));
  *at -= 2 * (size_t)words;
  const __m512i now = _mm512_mask_srli_epi32(x, full, x, 16);
  const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(now, reciprocal), 32);
  const __m512i odd =
      _mm512_mul_epu32(_mm512_srli_epi64(now, 32), _mm512_srli_epi64(reciprocal, 32));
  const __m512i high = _mm512_mask_mov_epi32(even, 0xaaaa, odd);
  const __m512i q = _mm512_srlv_epi32(high, _mm512_srli_epi32(packed, 24));
  const __m512i bias = _mm512_and_si512(_mm512_srli_epi32(packed, 12), _mm512_set1_epi32(0xfff));
  return _mm512_add_epi32(_mm512_add_epi32(now, bias), _mm512_mullo_epi32(q, complement));
}

/* The same, of symbols that stand at `places` in their tables. */
AVX512 static inline __m512i push_from(__m512i x, const rans_symbol *symbols,
                                       const uint16_t *places, uint8_t **at) {
  const __m512i firsts =
      _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i seconds = _mm512_or_si512(firsts, _mm512_set1_epi32(1));
  const __m512i low = fetch_eight(symbols, places);
  const __m512i high = fetch_eight(symbols, places + 8);
  return push(x, _mm512_permutex2var_epi32(low, firsts, high),
              _mm512_permutex2var_epi32(low, seconds, high), at);
}

AVX512 uint8_t *rans_encode_avx512(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                                   uint32_t *states, const rans_symbol *symbols, uint8_t *at) {
  __m512i x[4];
  for (int v = 0; v < 4; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  uint16_t places[64] __attribute__((aligned(64)));
  while (i > 0) {
    i -= 64;
    find_places(bytes + i, classes ? classes + i : NULL, places);
#pragma GCC unroll 4
    for (int v = 3; v >= 0; v--) x[v] = push_from(x[v], symbols, places + 16 * v, &at);
  }
  for (int v = 0; v < 4; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  return at;
}

AVX512 uint8_t *rans_encode_likely(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                                   uint32_t *states, const rans_symbol *symbols,
                                   rans_likely *likely, uint8_t *at) {
  const __m512i firsts = _mm512_loadu_si512(likely->reciprocal);
  const __m512i seconds = _mm512_loadu_si512(likely->packed);
  __m512i x[4];
  for (int v = 0; v < 4; v++) x[v] = _mm512_loadu_si512(states + 16 * v);
  uint16_t places[64] __attribute__((aligned(64)));
  const uint32_t rounds = i / 64;
  uint32_t others = 0;
  while (i > 0) {
    i -= 64;
    const __m512i symbol = _mm512_loadu_si512(bytes + i);
    if (__builtin_expect(_mm512_test_epi8_mask(symbol, symbol) != 0, 0)) {
      others++;
      find_places(bytes + i, classes ? classes + i : NULL, places);
#pragma GCC unroll 4
      for (int v = 3; v >= 0; v--) x[v] = push_from(x[v], symbols, places + 16 * v, &at);
      continue;
    }
#pragma GCC unroll 4
    for (int v = 3; v >= 0; v--) {
      const __m512i class = classes ? widen(classes + i + 16 * v) : _mm512_setzero_si512();
      x[v] = push(x[v], _mm512_permutexvar_epi32(class, firsts),
                  _mm512_permutexvar_epi32(class, seconds), &at);
    }
  }
  if (others > rounds / LIKELY_ROUNDS) likely->worth = 0;
  for (int v = 0; v < 4; v++) _mm512_storeu_si512(states + 16 * v, x[v]);
  return at;
}
#endif
