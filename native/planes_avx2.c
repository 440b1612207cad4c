/* The loops of planes.h with AVX2: those of the compiler, and by hand where it does badly. */
#include "dispatch.h"

#ifdef DLV_X86
#include <immintrin.h>

#include "planes_body.h"

#define AVX2 __attribute__((target("avx2")))

/* Elements of four bytes: 32 at a time. Each dword's bytes are gathered, then the dwords. */
AVX2 static uint32_t split4(const uint8_t *bytes, uint32_t count, uint8_t *const *planes) {
  const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4,
                                         8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m256i dwords = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  uint32_t i = 0;
  for (; count - i >= 32; i += 32) {
    __m256i v[4];
    for (int k = 0; k < 4; k++) {
      v[k] = _mm256_loadu_si256((const __m256i *)(bytes + 4 * (size_t)i + 32 * k));
      /* Eight bytes of each plane, the lowest byte of the elements first. */
      v[k] = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(v[k], order), dwords);
    }
    const __m256i a = _mm256_unpacklo_epi64(v[0], v[1]), b = _mm256_unpackhi_epi64(v[0], v[1]);
    const __m256i c = _mm256_unpacklo_epi64(v[2], v[3]), d = _mm256_unpackhi_epi64(v[2], v[3]);
    _mm256_storeu_si256((__m256i *)(planes[3] + i), _mm256_permute2x128_si256(a, c, 0x20));
    _mm256_storeu_si256((__m256i *)(planes[2] + i), _mm256_permute2x128_si256(b, d, 0x20));
    _mm256_storeu_si256((__m256i *)(planes[1] + i), _mm256_permute2x128_si256(a, c, 0x31));
    _mm256_storeu_si256((__m256i *)(planes[0] + i), _mm256_permute2x128_si256(b, d, 0x31));
  }
  return i;
}

AVX2 void split_avx2(const uint8_t *bytes, uint32_t count, uint32_t width, uint8_t *const *planes) {
  const uint32_t done = width == 4 ? split4(bytes, count, planes) : 0;
  uint8_t *rest[DLV_WIDTH_MAX];
  for (uint32_t k = 0; k < width; k++) rest[k] = planes[k] + done;
  split_body(bytes + (size_t)done * width, count - done, width, rest);
}

AVX2 void merge_avx2(const uint8_t *const *planes, uint32_t count, uint32_t width, uint8_t *bytes) {
  merge_body(planes, count, width, bytes);
}

AVX2 void digits_avx2(int transform, const uint8_t *const *child, const uint8_t *const *base,
                      uint32_t width, uint32_t n, uint8_t *const *out) {
  digits_body(transform, child, base, width, n, out);
}

AVX2 void undigits_avx2(int transform, uint8_t *const *planes, const uint8_t *const *base,
                        uint32_t planes_count, uint32_t n) {
  undigits_body(transform, planes, base, planes_count, n);
}
#endif
