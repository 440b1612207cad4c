/* SHA-256 with the processor's instructions for it, one message or two in turn. */
#include "sha256.h"

#ifdef DLV_X86
#include <cpuid.h>
#include <immintrin.h>

#define SHA __attribute__((target("sha,sse4.1,ssse3")))
#define SHA_INLINE SHA static inline __attribute__((always_inline))

int dlv_has_sha(void) {
  static int known; /* 0 not yet, 1 no, 2 yes */
  int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
  if (answer == 0) {
    unsigned a, b, c, d;
    const int sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    answer = sha && __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3") ? 2 : 1;
    __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
  }
  return answer == 2 && dlv_simd_allowed();
}

/* Words of the state in the order of the instructions: a b e f, and c d g h. */
typedef struct {
  __m128i abef, cdgh;
} halves;

SHA_INLINE halves load_state(const uint32_t *state) {
  const __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
  const __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
  return (halves){_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0)};
}

SHA_INLINE void store_state(halves h, uint32_t *state) {
  const __m128i feba = _mm_shuffle_epi32(h.abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(h.cdgh, 0xb1);
  _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* Rounds 4 g … 4 g + 3; w holds the last sixteen words of the schedule. */
SHA_INLINE void four_rounds(halves *h, __m128i *w, const uint8_t *block, int g) {
  const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
  __m128i now;
  if (g < 4) {
    now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * g)), swap);
  } else {
    const __m128i before = w[(g + 3) & 3];
    now = _mm_sha256msg1_epu32(w[g & 3], w[(g + 1) & 3]);
    now = _mm_add_epi32(now, _mm_alignr_epi8(before, w[(g + 2) & 3], 4));
    now = _mm_sha256msg2_epu32(now, before);
  }
  w[g & 3] = now;
  const __m128i k = _mm_loadu_si128((const __m128i *)(sha256_constants + 4 * g));
  const __m128i sum = _mm_add_epi32(now, k);
  h->cdgh = _mm_sha256rnds2_epu32(h->cdgh, h->abef, sum);
  h->abef = _mm_sha256rnds2_epu32(h->abef, h->cdgh, _mm_shuffle_epi32(sum, 0x0e));
}

SHA void sha256_one_x86(uint32_t *state, const uint8_t *blocks, size_t count) {
  halves h = load_state(state);
  for (; count > 0; count--, blocks += 64) {
    const halves start = h;
    __m128i w[4];
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) four_rounds(&h, w, blocks, g);
    h.abef = _mm_add_epi32(h.abef, start.abef);
    h.cdgh = _mm_add_epi32(h.cdgh, start.cdgh);
  }
  store_state(h, state);
}

SHA void sha256_two_x86(uint32_t *state_a, uint32_t *state_b, const uint8_t *a, const uint8_t *b,
                        size_t count) {
  halves h = load_state(state_a), i = load_state(state_b);
  for (; count > 0; count--, a += 64, b += 64) {
    const halves start_h = h, start_i = i;
    __m128i v[4], w[4];
#pragma GCC unroll 16
    for (int g = 0; g < 16; g++) {
      four_rounds(&h, v, a, g);
      four_rounds(&i, w, b, g);
    }
    h.abef = _mm_add_epi32(h.abef, start_h.abef);
    h.cdgh = _mm_add_epi32(h.cdgh, start_h.cdgh);
    i.abef = _mm_add_epi32(i.abef, start_i.abef);
    i.cdgh = _mm_add_epi32(i.cdgh, start_i.cdgh);
  }
  store_state(h, state_a);
  store_state(i, state_b);
}
#endif
