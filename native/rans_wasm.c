/* Rounds of 64 lanes with WebAssembly SIMD: sixteen vectors of four states. */
#ifdef __wasm_simd128__
#include <wasm_simd128.h>

#include "dispatch.h"

/* For each mask of four lanes: the shuffle that gives each of them the next word, zero-extended. */
#define W0 0, 1
#define W1 2, 3
#define W2 4, 5
#define W3 6, 7
#define NO 0x80, 0x80
static const uint8_t WORDS[16][16] = {
    {NO, NO, NO, NO, NO, NO, NO, NO}, {W0, NO, NO, NO, NO, NO, NO, NO},
    {NO, NO, W0, NO, NO, NO, NO, NO}, {W0, NO, W1, NO, NO, NO, NO, NO},
    {NO, NO, NO, NO, W0, NO, NO, NO}, {W0, NO, NO, NO, W1, NO, NO, NO},
    {NO, NO, W0, NO, W1, NO, NO, NO}, {W0, NO, W1, NO, W2, NO, NO, NO},
    {NO, NO, NO, NO, NO, NO, W0, NO}, {W0, NO, NO, NO, NO, NO, W1, NO},
    {NO, NO, W0, NO, NO, NO, W1, NO}, {W0, NO, W1, NO, NO, NO, W2, NO},
    {NO, NO, NO, NO, W0, NO, W1, NO}, {W0, NO, NO, NO, W1, NO, W2, NO},
    {NO, NO, W0, NO, W1, NO, W2, NO}, {W0, NO, W1, NO, W2, NO, W3, NO}};

static inline v128_t pull(uint32_t *state, v128_t slots, const uint32_t *entries,
                          const uint8_t **at) {
  v128_t entry = wasm_v128_load32_zero(entries + wasm_i32x4_extract_lane(slots, 0));
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 1), entry, 1);
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 2), entry, 2);
  entry = wasm_v128_load32_lane(entries + wasm_i32x4_extract_lane(slots, 3), entry, 3);
  const v128_t x = wasm_v128_load(state);
  const v128_t bias = wasm_v128_and(wasm_u32x4_shr(entry, 8), wasm_i32x4_splat(0xfff));
  const v128_t next =
      wasm_i32x4_add(wasm_i32x4_mul(wasm_u32x4_shr(entry, 20), wasm_u32x4_shr(x, RANS_BITS)), bias);
  const v128_t low = wasm_i32x4_lt(next, wasm_i32x4_splat(RANS_LOW));
  const uint32_t mask = wasm_i32x4_bitmask(low);
  const v128_t words = wasm_i8x16_swizzle(wasm_v128_load64_zero(*at), wasm_v128_load(WORDS[mask]));
  const v128_t fed = wasm_v128_or(wasm_i32x4_shl(next, 16), words);
  wasm_v128_store(state, wasm_v128_bitselect(fed, next, low));
  *at += 2 * (size_t)__builtin_popcount(mask);
  return wasm_v128_and(entry, wasm_i32x4_splat(0xff));
}

uint32_t rans_decode_wasm(const uint8_t **at_inout, const uint8_t *last, const uint8_t *classes,
                          uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                          uint8_t *out) {
  const uint8_t *at = *at_inout;
  const v128_t slot_mask = wasm_i32x4_splat(RANS_TOTAL - 1);
  for (; n - i >= 64 && at <= last; i += 64) {
    for (uint32_t v = 0; v < 64; v += 16) {
      v128_t symbols[4];
      for (uint32_t q = 0; q < 4; q++) {
        v128_t slots = wasm_v128_and(wasm_v128_load(states + v + 4 * q), slot_mask);
        if (classes) {
          const v128_t class = wasm_u32x4_extend_low_u16x8(
              wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(classes + i + v + 4 * q)));
          slots = wasm_v128_or(slots, wasm_i32x4_shl(class, RANS_BITS));
        }
        symbols[q] = pull(states + v + 4 * q, slots, entries, &at);
      }
      wasm_v128_store(out + i + v,
                      wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(symbols[0], symbols[1]),
                                              wasm_i16x8_narrow_i32x4(symbols[2], symbols[3])));
    }
  }
  *at_inout = at;
  return i;
}

/* For each mask of four lanes: the shuffle that puts the low halves of these last, in order. */
#define H0 0, 1
#define H1 4, 5
#define H2 8, 9
#define H3 12, 13
static const uint8_t HALVES[16][8] = {
    {NO, NO, NO, NO}, {NO, NO, NO, H0}, {NO, NO, NO, H1}, {NO, NO, H0, H1},
    {NO, NO, NO, H2}, {NO, NO, H0, H2}, {NO, NO, H1, H2}, {NO, H0, H1, H2},
    {NO, NO, NO, H3}, {NO, NO, H0, H3}, {NO, NO, H1, H3}, {NO, H0, H1, H3},
    {NO, NO, H2, H3}, {NO, H0, H2, H3}, {NO, H1, H2, H3}, {H0, H1, H2, H3}};

/* The state of four lanes after four symbols; words go in front of *at. */
static inline v128_t push(v128_t x, v128_t index, const rans_symbol *symbols, uint8_t **at) {
  v128_t first = wasm_v128_load64_zero(symbols + wasm_i32x4_extract_lane(index, 0));
  first = wasm_v128_load64_lane(symbols + wasm_i32x4_extract_lane(index, 1), first, 1);
  v128_t second = wasm_v128_load64_zero(symbols + wasm_i32x4_extract_lane(index, 2));
  second = wasm_v128_load64_lane(symbols + wasm_i32x4_extract_lane(index, 3), second, 1);
  const v128_t reciprocal = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6);
  const v128_t packed = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
  const v128_t field = wasm_i32x4_splat(0xfff);
  const v128_t complement = wasm_v128_and(packed, field);
  const v128_t reach = wasm_i32x4_add(wasm_u32x4_shr(x, 20), complement);
  const v128_t full = wasm_i32x4_ge(reach, wasm_i32x4_splat(RANS_TOTAL));
  const uint32_t mask = wasm_i32x4_bitmask(full);
  const v128_t halves = wasm_i8x16_swizzle(x, wasm_v128_load64_zero(HALVES[mask]));
  wasm_v128_store64_lane(*at - 8, halves, 0);
  *at -= 2 * (size_t)__builtin_popcount(mask);
  const v128_t now = wasm_v128_bitselect(wasm_u32x4_shr(x, 16), x, full);
  const v128_t high = wasm_i32x4_shuffle(wasm_u64x2_extmul_low_u32x4(now, reciprocal),
                                         wasm_u64x2_extmul_high_u32x4(now, reciprocal), 1, 3, 5, 7);
  /* high >> shift for each lane as high · 2^(31 − shift) >> 31; the power is made as a float. */
  const v128_t exponent = wasm_i32x4_sub(wasm_i32x4_splat(158), wasm_u32x4_shr(packed, 24));
  const v128_t power = wasm_u32x4_trunc_sat_f32x4(wasm_i32x4_shl(exponent, 23));
  const v128_t q =
      wasm_i32x4_shuffle(wasm_u64x2_shr(wasm_u64x2_extmul_low_u32x4(high, power), 31),
                         wasm_u64x2_shr(wasm_u64x2_extmul_high_u32x4(high, power), 31), 0, 2, 4, 6);
  const v128_t bias = wasm_v128_and(wasm_u32x4_shr(packed, 12), field);
  return wasm_i32x4_add(wasm_i32x4_add(now, bias), wasm_i32x4_mul(q, complement));
}

uint8_t *rans_encode_wasm(const uint8_t *bytes, const uint8_t *classes, uint32_t i,
                          uint32_t *states, const rans_symbol *symbols, uint8_t *at) {
  while (i > 0) {
    i -= 4;
    uint32_t *state = states + (i & (RANS_LANES_LARGE - 1));
    v128_t index =
        wasm_u32x4_extend_low_u16x8(wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(bytes + i)));
    if (classes) {
      const v128_t class = wasm_u32x4_extend_low_u16x8(
          wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(classes + i)));
      index = wasm_v128_or(index, wasm_i32x4_shl(class, 8));
    }
    wasm_v128_store(state, push(wasm_v128_load(state), index, symbols, &at));
  }
  return at;
}
#endif
