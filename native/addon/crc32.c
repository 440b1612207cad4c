#include "crc32.h"

#include <string.h>

#include "dispatch.h"

#define POLYNOMIAL 0xedb88320u

/* Eight bytes at a time: table[k][b] is the CRC of byte b and k zeros behind it. */
typedef struct {
  uint32_t table[8][256];
} tables;

static const tables *crc_tables(void) {
  static tables made;
  static int state; /* 0 not made, 1 made */
  if (__atomic_load_n(&state, __ATOMIC_ACQUIRE)) return &made;
  /* Two threads that make them at once write the same numbers. */
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t crc = b;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
    __atomic_store_n(&made.table[0][b], crc, __ATOMIC_RELAXED);
  }
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t crc = __atomic_load_n(&made.table[0][b], __ATOMIC_RELAXED);
    for (int k = 1; k < 8; k++) {
      crc = crc >> 8 ^ __atomic_load_n(&made.table[0][crc & 255], __ATOMIC_RELAXED);
      __atomic_store_n(&made.table[k][b], crc, __ATOMIC_RELAXED);
    }
  }
  __atomic_store_n(&state, 1, __ATOMIC_RELEASE);
  return &made;
}

/* The inverted CRC goes in and comes out. */
static uint32_t plain(uint32_t crc, const uint8_t *bytes, size_t length) {
  const tables *t = crc_tables();
  for (; length >= 8; bytes += 8, length -= 8) {
    crc ^= (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
    crc = t->table[7][crc & 255] ^ t->table[6][crc >> 8 & 255] ^ t->table[5][crc >> 16 & 255] ^
          t->table[4][crc >> 24] ^ t->table[3][bytes[4]] ^ t->table[2][bytes[5]] ^
          t->table[1][bytes[6]] ^ t->table[0][bytes[7]];
  }
  for (; length > 0; bytes++, length--) crc = crc >> 8 ^ t->table[0][(crc ^ *bytes) & 255];
  return crc;
}

#ifdef DLV_X86
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))
#define CLMUL_INLINE CLMUL static inline __attribute__((always_inline))

CLMUL_INLINE __m128i fold(__m128i x, __m128i by, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(x, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(x, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

CLMUL_INLINE __m128i load(const uint8_t *bytes) { return _mm_loadu_si128((const __m128i *)bytes); }

/*
 * Whole blocks of 16 bytes, 64 at least, by folding: Gopal et al., "Fast CRC computation for generic
 * polynomials using PCLMULQDQ" (Intel, 2009). Powers of x modulo the reflected polynomial.
 */
CLMUL static uint32_t folded(uint32_t crc, const uint8_t *bytes, size_t length) {
  const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
  const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
  const __m128i by_64 = _mm_set_epi64x(0, 0x0163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x01f7011641, 0x01db710641);
  const __m128i low_half = _mm_setr_epi32(~0, 0, ~0, 0);
  __m128i x[4];
  for (int v = 0; v < 4; v++) x[v] = load(bytes + 16 * v);
  x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
  bytes += 64;
  length -= 64;
  for (; length >= 64; bytes += 64, length -= 64) {
    for (int v = 0; v < 4; v++) x[v] = fold(x[v], by_512, load(bytes + 16 * v));
  }
  __m128i one = x[0];
  for (int v = 1; v < 4; v++) one = fold(one, by_128, x[v]);
  for (; length >= 16; bytes += 16, length -= 16) one = fold(one, by_128, load(bytes));
  one = _mm_xor_si128(_mm_clmulepi64_si128(one, by_128, 0x10), _mm_srli_si128(one, 8));
  const __m128i above = _mm_srli_si128(one, 4);
  one = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(one, low_half), by_64, 0x00), above);
  __m128i rest = _mm_clmulepi64_si128(_mm_and_si128(one, low_half), barrett, 0x10);
  rest = _mm_clmulepi64_si128(_mm_and_si128(rest, low_half), barrett, 0x00);
  return (uint32_t)_mm_extract_epi32(_mm_xor_si128(one, rest), 1);
}

static int has_clmul(void) {
  return dlv_simd_allowed() && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#endif

uint32_t crc32_of(uint32_t crc, const uint8_t *bytes, size_t length) {
  crc = ~crc;
#ifdef DLV_X86
  if (length >= 64 && has_clmul()) {
    const size_t whole = length & ~(size_t)15;
    crc = folded(crc, bytes, whole);
    bytes += whole;
    length -= whole;
  }
#endif
  return ~plain(crc, bytes, length);
}

/* a · b modulo the polynomial, whose highest bit is that of x^0. a ≠ 0. */
static uint32_t times(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1u << 31; bit > 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? b >> 1 ^ POLYNOMIAL : b >> 1;
  }
  return product;
}

uint32_t crc32_join(uint32_t first, uint32_t second, uint64_t second_length) {
  /* x^(8 · length): from x^8 on by squaring. */
  uint32_t shift = 1u << 31, power = 1u << 23;
  for (uint64_t left = second_length; left > 0; left >>= 1) {
    if (left & 1) shift = times(power, shift);
    power = times(power, power);
  }
  return times(shift, first) ^ second;
}
