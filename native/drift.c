#include "drift.h"

#include "dispatch.h"

#define DRIFT(name) drift_portable_##name
#define DRIFT_WIDE 2u
#include "drift_body.h"
#undef DRIFT
#undef DRIFT_WIDE
#ifdef DLV_X86
#define DRIFT(name) drift_avx2_##name
#define DRIFT_WIDE 4u
#include "drift_body.h"
#undef DRIFT
#undef DRIFT_WIDE
#endif

uint32_t dlv_kind_width(uint32_t kind) {
  static const uint8_t WIDTHS[DRIFT_KINDS] = {4, 2, 2, 8, 1, 1, 2, 2, 4, 4};
  return kind < DRIFT_KINDS ? WIDTHS[kind] : 0;
}

#ifdef DLV_X86
/* Without FMA, which would round once where the other builds round twice. */
__attribute__((target("avx2"))) static void drift_avx2(const uint8_t *const *a, uint32_t a_planes,
                                                       uint32_t a_kind, const uint8_t *const *b,
                                                       uint32_t b_planes, uint32_t b_kind,
                                                       uint32_t count, double *state) {
  drift_avx2_drift(a, a_planes, a_kind, b, b_planes, b_kind, count, state);
}

__attribute__((target("avx2"))) static void weigh_avx2(const uint8_t *const *planes, uint32_t known,
                                                       uint32_t kind, uint32_t count, double *state,
                                                       uint32_t *bins) {
  drift_avx2_weigh(planes, known, kind, count, state, bins);
}
#endif

void dlv_drift(const uint8_t *const *a, uint32_t a_planes, uint32_t a_kind, const uint8_t *const *b,
               uint32_t b_planes, uint32_t b_kind, uint32_t count, double *state) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    drift_avx2(a, a_planes, a_kind, b, b_planes, b_kind, count, state);
    return;
  }
#endif
  drift_portable_drift(a, a_planes, a_kind, b, b_planes, b_kind, count, state);
}

void dlv_weigh(const uint8_t *const *planes, uint32_t known, uint32_t kind, uint32_t count,
               double *state, uint32_t *bins) {
#ifdef DLV_X86
  if (dlv_has_avx2()) {
    weigh_avx2(planes, known, kind, count, state, bins);
    return;
  }
#endif
  drift_portable_weigh(planes, known, kind, count, state, bins);
}
