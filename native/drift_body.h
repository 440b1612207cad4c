/*
 * The loops of drift.c, which includes this for each instruction set: DRIFT(name) is what a function is
 * called there, DRIFT_WIDE how many doubles a vector has. All functions are inlined into those of drift.c.
 */
#include <string.h>

#include "drift.h"

#undef DRIFT_BODY
#define DRIFT_BODY static inline __attribute__((always_inline))
/* Elements that are widened at once: they and the other side stay in the nearest cache. */
#undef DRIFT_BLOCK
#define DRIFT_BLOCK 1024u
/* Lanes of a sum: fixed, so that every build adds in the same order. */
#undef DRIFT_LANES
#define DRIFT_LANES 8u
#undef DRIFT_VECTORS
#define DRIFT_VECTORS (DRIFT_LANES / DRIFT_WIDE)

typedef double DRIFT(vector) __attribute__((vector_size(8 * DRIFT_WIDE), aligned(8), may_alias));
typedef float DRIFT(single) __attribute__((may_alias));
typedef int64_t DRIFT(mask) __attribute__((vector_size(8 * DRIFT_WIDE), aligned(8), may_alias));

/* The bits of an element whose unknown bytes are the middle of what they can be. */
DRIFT_BODY uint32_t DRIFT(middle_of)(uint32_t width, uint32_t known) {
  return known < width ? 0x80u << (8 * (width - known - 1)) : 0;
}

/* Elements from `from` on as numbers, of up to four bytes. */
DRIFT_BODY void DRIFT(bits)(const uint8_t *const *planes, uint32_t known, uint32_t width,
                            uint32_t from, uint32_t n, uint32_t *out) {
  const uint32_t fill = DRIFT(middle_of)(width, known);
  if (width == 4 && known == 4) {
    const uint8_t *p0 = planes[0] + from, *p1 = planes[1] + from;
    const uint8_t *p2 = planes[2] + from, *p3 = planes[3] + from;
    for (uint32_t i = 0; i < n; i++) {
      out[i] = (uint32_t)p0[i] << 24 | (uint32_t)p1[i] << 16 | (uint32_t)p2[i] << 8 | p3[i];
    }
    return;
  }
  if (width == 4 && known == 3) {
    const uint8_t *p0 = planes[0] + from, *p1 = planes[1] + from, *p2 = planes[2] + from;
    for (uint32_t i = 0; i < n; i++) {
      out[i] = (uint32_t)p0[i] << 24 | (uint32_t)p1[i] << 16 | (uint32_t)p2[i] << 8 | 0x80u;
    }
    return;
  }
  if (known == 2) {
    const uint8_t *p0 = planes[0] + from, *p1 = planes[1] + from;
    const uint32_t shift = 8 * (width - 2);
    for (uint32_t i = 0; i < n; i++) {
      out[i] = ((uint32_t)p0[i] << 8 | (uint32_t)p1[i]) << shift | fill;
    }
    return;
  }
  for (uint32_t i = 0; i < n; i++) out[i] = fill;
  for (uint32_t k = 0; k < known; k++) {
    const uint8_t *plane = planes[k] + from;
    const uint32_t shift = 8 * (width - 1 - k);
    for (uint32_t i = 0; i < n; i++) out[i] |= (uint32_t)plane[i] << shift;
  }
}

DRIFT_BODY void DRIFT(float)(uint32_t *bits, uint32_t n, int partial, double *out) {
  /* What is known of a float of exponent 0 is that it is next to nothing. */
  for (uint32_t i = 0; partial && i < n; i++) {
    bits[i] &= (bits[i] & 0x7f800000u) == 0 ? 0 : 0xffffffffu;
  }
  const DRIFT(single) *values = (const DRIFT(single) *)bits;
  for (uint32_t i = 0; i < n; i++) out[i] = (double)values[i];
}

/* fp16 as fp32: the exponent is moved by a multiplication, which is exact, also for denormals. */
DRIFT_BODY void DRIFT(half)(const uint32_t *bits, uint32_t n, double *out) {
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t exponent = bits[i] & 0x7c00u;
    const uint32_t magnitude = (bits[i] & 0x7fffu) << 13;
    const uint32_t odd = 0x7f800000u | magnitude;
    float value;
    memcpy(&value, &magnitude, 4);
    value *= 0x1p112f;
    uint32_t own;
    memcpy(&own, &value, 4);
    own = (exponent == 0x7c00u ? odd : own) | (bits[i] & 0x8000u) << 16;
    memcpy(&value, &own, 4);
    out[i] = (double)value;
  }
}

DRIFT_BODY void DRIFT(double)(const uint8_t *const *planes, uint32_t known, uint32_t from,
                              uint32_t n, double *out) {
  for (uint32_t i = 0; i < n; i++) {
    uint64_t bits = known < 8 ? 0x80ull << (8 * (7 - known)) : 0;
    for (uint32_t k = 0; k < known; k++) bits |= (uint64_t)planes[k][from + i] << (8 * (7 - k));
    if (known < 8 && (bits & 0x7ff0000000000000ull) == 0) bits = 0;
    memcpy(&out[i], &bits, 8);
  }
}

/* Values of n ≤ DRIFT_BLOCK elements from `from` on. bits: what they are made of, up to four bytes each. */
DRIFT_BODY void DRIFT(widen)(const uint8_t *const *planes, uint32_t known, uint32_t kind,
                             uint32_t from, uint32_t n, uint32_t *bits, double *out) {
  const uint32_t width = dlv_kind_width(kind);
  if (kind == DRIFT_F64) {
    DRIFT(double)(planes, known, from, n, out);
    return;
  }
  DRIFT(bits)(planes, known, width, from, n, bits);
  switch (kind) {
    case DRIFT_F32: DRIFT(float)(bits, n, known < 4, out); break;
    case DRIFT_BF16:
      for (uint32_t i = 0; i < n; i++) bits[i] <<= 16;
      DRIFT(float)(bits, n, 0, out);
      break;
    case DRIFT_F16: DRIFT(half)(bits, n, out); break;
    case DRIFT_I8:
      for (uint32_t i = 0; i < n; i++) out[i] = (int8_t)bits[i];
      break;
    case DRIFT_I16:
      for (uint32_t i = 0; i < n; i++) out[i] = (int16_t)bits[i];
      break;
    case DRIFT_I32:
      for (uint32_t i = 0; i < n; i++) out[i] = (int32_t)bits[i];
      break;
    default:
      for (uint32_t i = 0; i < n; i++) out[i] = bits[i];
  }
}

/* Elements whose known bits differ, of two sides of one kind. */
DRIFT_BODY uint32_t DRIFT(differing)(uint32_t kind, uint32_t n, const uint32_t *x_bits,
                                     const uint32_t *y_bits, const double *x, const double *y) {
  uint32_t count = 0;
  if (kind != DRIFT_F64) {
    for (uint32_t i = 0; i < n; i++) count += x_bits[i] != y_bits[i];
    return count;
  }
  for (uint32_t i = 0; i < n; i++) count += memcmp(&x[i], &y[i], 8) != 0;
  return count;
}

/* Adds to a sum and to what is lost of it (Neumaier). */
DRIFT_BODY void DRIFT(add)(double *sum, double term) {
  const double next = sum[0] + term;
  const double size = sum[0] < 0 ? -sum[0] : sum[0];
  const double other = term < 0 ? -term : term;
  sum[1] += size >= other ? sum[0] - next + term : term - next + sum[0];
  sum[0] = next;
}

/* The lanes of a sum, added up. */
DRIFT_BODY double DRIFT(total)(const double *lanes) {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* Σ x·y of DRIFT_BLOCK values. */
DRIFT_BODY double DRIFT(dot)(const double *x, const double *y) {
  DRIFT(vector) sums[DRIFT_VECTORS] = {0};
  for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_LANES) {
    for (uint32_t v = 0; v < DRIFT_VECTORS; v++) {
      const uint32_t at = i + v * DRIFT_WIDE;
      sums[v] += *(const DRIFT(vector) *)(x + at) * *(const DRIFT(vector) *)(y + at);
    }
  }
  double lanes[DRIFT_LANES];
  memcpy(lanes, sums, sizeof lanes);
  return DRIFT(total)(lanes);
}

/* Σ x, and whether that is finite. */
DRIFT_BODY double DRIFT(sum)(const double *x) {
  DRIFT(vector) sums[DRIFT_VECTORS] = {0};
  for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_LANES) {
    for (uint32_t v = 0; v < DRIFT_VECTORS; v++) {
      sums[v] += *(const DRIFT(vector) *)(x + i + v * DRIFT_WIDE);
    }
  }
  double lanes[DRIFT_LANES];
  memcpy(lanes, sums, sizeof lanes);
  return DRIFT(total)(lanes);
}

/* 1 if some of DRIFT_BLOCK values is not finite. */
DRIFT_BODY int DRIFT(has_odd)(const double *x) {
  DRIFT(mask) found[DRIFT_VECTORS] = {0};
  for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_LANES) {
    for (uint32_t v = 0; v < DRIFT_VECTORS; v++) {
      const DRIFT(vector) own = *(const DRIFT(vector) *)(x + i + v * DRIFT_WIDE);
      found[v] |= (own - own) != (own - own);
    }
  }
  int64_t lanes[DRIFT_LANES], any = 0;
  memcpy(lanes, found, sizeof lanes);
  for (uint32_t l = 0; l < DRIFT_LANES; l++) any |= lanes[l];
  return any != 0;
}

/* Replaces values by larger ones; those that are no numbers are none. */
DRIFT_BODY void DRIFT(raise)(DRIFT(vector) * most, DRIFT(vector) own) {
  const DRIFT(mask) more = own > *most;
  *most = (DRIFT(vector))(((DRIFT(mask))own & more) | ((DRIFT(mask)) * most & ~more));
}

/* The sizes of DRIFT_BLOCK values. */
DRIFT_BODY void DRIFT(sizes)(const double *x, double *out) {
  for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_WIDE) {
    const DRIFT(mask) bits = *(const DRIFT(mask) *)(x + i) & INT64_MAX;
    *(DRIFT(mask) *)(out + i) = bits;
  }
}

/* Relative error of a value whose leading planes are known: 2^−(mantissa bits known + 1). */
DRIFT_BODY double DRIFT(error_of)(uint32_t kind, uint32_t known) {
  if (known >= dlv_kind_width(kind)) return 0;
  const int bits = (int)(8 * known) - (kind == DRIFT_F64 ? 11 : 8);
  double error = 1;
  for (int i = 0; i < bits; i++) error /= 2;
  return error;
}

/*
 * Adds DRIFT_BLOCK pairs of finite values to the sums and maxima of `state`, in one pass that keeps all of
 * them in registers. x_error, y_error: relative errors of the values, read only if is_partial.
 */
DRIFT_BODY void DRIFT(pairs)(const double *x, const double *y, int is_partial, double x_error,
                             double y_error, double *state) {
  DRIFT(vector) change[DRIFT_VECTORS] = {0}, before[DRIFT_VECTORS] = {0};
  DRIFT(vector) after[DRIFT_VECTORS] = {0}, dot[DRIFT_VECTORS] = {0};
  DRIFT(vector) most[3][DRIFT_VECTORS];
  memset(most, 0, sizeof most);
  DRIFT(mask) flips[DRIFT_VECTORS] = {0};
  for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_LANES) {
    for (uint32_t v = 0; v < DRIFT_VECTORS; v++) {
      const uint32_t at = i + v * DRIFT_WIDE;
      const DRIFT(vector) p = *(const DRIFT(vector) *)(x + at),
                          q = *(const DRIFT(vector) *)(y + at);
      const DRIFT(vector) r = q - p;
      const DRIFT(vector) size = (DRIFT(vector))((DRIFT(mask))r & INT64_MAX);
      change[v] += r * r;
      before[v] += p * p;
      after[v] += q * q;
      dot[v] += p * q;
      DRIFT(raise)(&most[0][v], size);
      /* Of opposite signs, and neither of them 0: their product may be too small to be told from 0. */
      flips[v] -= (((DRIFT(mask))p ^ (DRIFT(mask))q) < 0) & (p != 0) & (q != 0);
      if (is_partial) {
        const DRIFT(vector) left = (DRIFT(vector))((DRIFT(mask))p & INT64_MAX);
        const DRIFT(vector) right = (DRIFT(vector))((DRIFT(mask))q & INT64_MAX);
        const DRIFT(vector) error = left * x_error + right * y_error;
        DRIFT(raise)(&most[1][v], size - error);
        DRIFT(raise)(&most[2][v], size + error);
      }
    }
  }
  double lanes[DRIFT_LANES];
  int64_t counts[DRIFT_LANES], turned = 0;
  memcpy(lanes, change, sizeof lanes);
  DRIFT(add)(state + DRIFT_CHANGE, DRIFT(total)(lanes));
  memcpy(lanes, before, sizeof lanes);
  DRIFT(add)(state + DRIFT_BEFORE, DRIFT(total)(lanes));
  memcpy(lanes, after, sizeof lanes);
  DRIFT(add)(state + DRIFT_AFTER, DRIFT(total)(lanes));
  memcpy(lanes, dot, sizeof lanes);
  DRIFT(add)(state + DRIFT_DOT, DRIFT(total)(lanes));
  /* DRIFT_MAX, DRIFT_MAX_LEAST, DRIFT_MAX_MOST follow each other. */
  for (uint32_t k = 0; k < 3; k++) {
    double *all = state + DRIFT_MAX + k;
    memcpy(lanes, most[k], sizeof lanes);
    for (uint32_t l = 0; l < DRIFT_LANES; l++) *all = lanes[l] > *all ? lanes[l] : *all;
  }
  memcpy(counts, flips, sizeof counts);
  for (uint32_t l = 0; l < DRIFT_LANES; l++) turned += counts[l];
  state[DRIFT_FLIPS] += (double)turned;
}

DRIFT_BODY void DRIFT(drift)(const uint8_t *const *a, uint32_t a_planes, uint32_t a_kind,
                             const uint8_t *const *b, uint32_t b_planes, uint32_t b_kind,
                             uint32_t count, double *state) {
  double x[DRIFT_BLOCK], y[DRIFT_BLOCK];
  uint32_t x_bits[DRIFT_BLOCK], y_bits[DRIFT_BLOCK];
  const double x_error = DRIFT(error_of)(a_kind, a_planes),
               y_error = DRIFT(error_of)(b_kind, b_planes);
  const int is_alike = a_kind == b_kind && a_planes == b_planes;
  for (uint32_t from = 0; from < count; from += DRIFT_BLOCK) {
    const uint32_t n = count - from < DRIFT_BLOCK ? count - from : DRIFT_BLOCK;
    DRIFT(widen)(a, a_planes, a_kind, from, n, x_bits, x);
    DRIFT(widen)(b, b_planes, b_kind, from, n, y_bits, y);
    if (is_alike) state[DRIFT_DIFFER] += DRIFT(differing)(a_kind, n, x_bits, y_bits, x, y);
    for (uint32_t i = n; i < DRIFT_BLOCK; i++) x[i] = y[i] = 0;
    uint32_t odd = 0;
    if (DRIFT(has_odd)(x) | DRIFT(has_odd)(y)) {
      for (uint32_t i = 0; i < n; i++) {
        if ((x[i] - x[i] == 0) & (y[i] - y[i] == 0)) continue;
        odd++;
        x[i] = y[i] = 0;
      }
    }
    if (x_error + y_error > 0) {
      DRIFT(pairs)(x, y, 1, x_error, y_error, state);
    } else {
      DRIFT(pairs)(x, y, 0, 0, 0, state);
    }
    state[DRIFT_ODD] += odd;
  }
}

DRIFT_BODY void DRIFT(weigh)(const uint8_t *const *planes, uint32_t known, uint32_t kind,
                             uint32_t count, double *state, uint32_t *bins) {
  double x[DRIFT_BLOCK], y[DRIFT_BLOCK];
  uint32_t own[DRIFT_BLOCK];
  for (uint32_t from = 0; from < count; from += DRIFT_BLOCK) {
    const uint32_t n = count - from < DRIFT_BLOCK ? count - from : DRIFT_BLOCK;
    DRIFT(widen)(planes, known, kind, from, n, own, x);
    for (uint32_t i = n; i < DRIFT_BLOCK; i++) x[i] = 0;
    for (uint32_t i = 0; bins && i < n; i++) {
      uint64_t bits;
      memcpy(&bits, &x[i], 8);
      bins[bits >> 50]++;
    }
    const int has_odd = DRIFT(has_odd)(x);
    double least = state[WEIGH_LEAST], most = state[WEIGH_MOST];
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < n; i++) {
      const int is_finite = !has_odd || x[i] - x[i] == 0;
      zeros += x[i] == 0;
      least = is_finite && x[i] < least ? x[i] : least;
      most = is_finite && x[i] > most ? x[i] : most;
    }
    for (uint32_t i = 0; has_odd && i < n; i++) {
      if (x[i] - x[i] == 0) continue;
      state[x[i] != x[i] ? WEIGH_NANS : WEIGH_INFINITIES]++;
      x[i] = 0;
    }
    state[WEIGH_LEAST] = least;
    state[WEIGH_MOST] = most;
    state[WEIGH_ZEROS] += zeros;
    DRIFT(add)(state + WEIGH_SUM, DRIFT(sum)(x));
    DRIFT(add)(state + WEIGH_SQUARE, DRIFT(dot)(x, x));
    DRIFT(sizes)(x, y);
    DRIFT(add)(state + WEIGH_ABSOLUTE, DRIFT(sum)(y));
    for (uint32_t i = 0; i < DRIFT_BLOCK; i += DRIFT_WIDE) {
      *(DRIFT(vector) *)(y + i) *= *(DRIFT(vector) *)(y + i);
    }
    DRIFT(add)(state + WEIGH_FOURTH, DRIFT(dot)(y, y));
  }
}
