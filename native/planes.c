/* Byte planes and the digit transforms between a child and its base. Plain loops: compilers vectorise
 * them for each instruction set, and every build gives the same bytes. */
#include "planes.h"

#include "dispatch.h"
#include "planes_body.h"

int dlv_transform_fits(int transform, uint32_t width) {
  switch (transform) {
    case DLV_RAW:
    case DLV_SAME:
    case DLV_BSUB: return 1;
    case DLV_SUB16:
    case DLV_PALETTE: return width >= 2;
    case DLV_SUB16_FULL:
    case DLV_SUB32: return width == 4;
    default: return 0;
  }
}

uint32_t dlv_transform_stop(int transform, uint32_t width, uint32_t wanted) {
  /* Contexts look at the two leading planes, so no encoding is exact below two. */
  uint32_t stop = wanted < 2 ? 2 : wanted;
  if (transform == DLV_SUB16_FULL && stop > 2) stop = 4;
  if (transform == DLV_SUB32) stop = 4;
  return stop < width ? stop : width;
}

void dlv_split(const uint8_t *bytes, uint32_t count, uint32_t width, uint8_t *const *planes) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    split_avx2(bytes, count, width, planes);
    return;
  }
#endif
  split_body(bytes, count, width, planes);
}

void dlv_merge(const uint8_t *const *planes, uint32_t count, uint32_t width, uint8_t *bytes) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    merge_avx2(planes, count, width, bytes);
    return;
  }
#endif
  merge_body(planes, count, width, bytes);
}

void dlv_digits(int transform, const uint8_t *const *child, const uint8_t *const *base,
                uint32_t width, uint32_t n, uint8_t *const *out) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    digits_avx2(transform, child, base, width, n, out);
    return;
  }
#endif
  digits_body(transform, child, base, width, n, out);
}

uint32_t dlv_digit_planes(int transform, uint32_t width) {
  if (transform == DLV_RAW) return 0;
  return (transform == DLV_BSUB || transform == DLV_SUB16) && width > 2 ? 2 : width;
}

void dlv_digits_of(int transform, const uint8_t *const *child, const uint8_t *const *base,
                   uint32_t width, uint32_t k, uint32_t n, uint8_t *const *out) {
  if (transform == DLV_RAW) return;
  if (transform == DLV_BSUB || (transform == DLV_SUB16 && k >= 2)) {
    dlv_digits(DLV_BSUB, child + k, base + k, 1, n, out + k);
  } else if (k == 0) {
    dlv_digits(transform, child, base, transform == DLV_SUB16 ? 2 : width, n, out);
  }
}

void dlv_undigits(int transform, uint8_t *const *planes, const uint8_t *const *base,
                  uint32_t planes_count, uint32_t n) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    undigits_avx2(transform, planes, base, planes_count, n);
    return;
  }
#endif
  undigits_body(transform, planes, base, planes_count, n);
}
