/* Static rANS: see rans.h. Symbol i belongs to lane i mod lanes; the decoder runs forward. */
#include "rans.h"

#include <string.h>

#include "dispatch.h"

/* What encoding a symbol takes that has `freq` slots from `start` on. */
static rans_symbol symbol_of(uint32_t freq, uint32_t start) {
  uint32_t shift = 0, bias = start;
  uint32_t reciprocal = 0xffffffffu;
  if (freq < 2) {
    bias = start + RANS_TOTAL - 1;
  } else {
    while (freq > (1u << shift)) shift++;
    reciprocal = (uint32_t)(((1ull << (shift + 31)) + freq - 1) / freq);
    shift--;
  }
  return (rans_symbol){reciprocal, (RANS_TOTAL - freq) | bias << 12 | shift << 24};
}

void rans_encoder(const rans_table *table, rans_symbol *symbols) {
  uint32_t start = 0;
  for (int s = 0; s < 256; s++) {
    symbols[s] = symbol_of(table->freq[s], start);
    start += table->freq[s];
  }
}

void rans_decoder(const rans_table *table, uint32_t *entries) {
  uint32_t slot = 0;
  for (uint32_t s = 0; s < 256; s++) {
    uint32_t freq = table->freq[s];
    for (uint32_t i = 0; i < freq; i++) entries[slot++] = freq << 20 | i << 8 | s;
  }
}

/* A plane is one of zeros if in a class so many of RANS_TOTAL are. */
#define LIKELY_FROM (RANS_TOTAL - RANS_TOTAL / 32)

void rans_find_likely(const rans_table *tables, uint32_t classes, rans_likely *likely) {
  memset(likely, 0, sizeof *likely);
  for (uint32_t class = 0; class < classes; class++) {
    const uint32_t freq = tables[class].freq[0];
    const rans_symbol symbol = symbol_of(freq, 0);
    likely->freq[class] = freq;
    likely->reciprocal[class] = symbol.reciprocal;
    likely->packed[class] = symbol.packed;
    likely->worth |= freq >= LIKELY_FROM;
  }
}

static uint32_t lanes_of(uint32_t n) {
  return n >= RANS_LARGE_FROM ? RANS_LANES_LARGE : RANS_LANES_SMALL;
}

size_t rans_bound(uint32_t n) {
  /* A symbol adds RANS_BITS bits at most, and less than a thousandth by rounding. */
  return (size_t)n * RANS_BITS / 8 + n / 512 + 2 * RANS_LANES_LARGE * 4;
}

/* Bytes below the words that SIMD may write over. */
#define SIMD_SLACK 32u

size_t rans_room(uint32_t n) {
  /* A symbol gives one word at most: so much is free before each block of a sound stream. */
  return rans_bound(n) + 2 * RANS_BLOCK_MAX + SIMD_SLACK;
}

static inline void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

void rans_begin(rans_writer *writer, uint32_t n, uint8_t *out) {
  writer->lanes = lanes_of(n);
  for (uint32_t lane = 0; lane < writer->lanes; lane++) writer->states[lane] = RANS_LOW;
  writer->start = out;
  writer->end = out + rans_room(n);
  writer->at = writer->end;
}

int rans_encode(rans_writer *writer, const uint8_t *bytes, const uint8_t *classes, uint32_t n,
                const rans_symbol *symbols, rans_likely *likely) {
  const uint32_t lanes = writer->lanes;
  uint32_t *states = writer->states;
  uint8_t *at = writer->at;
  if ((size_t)(at - writer->start) < 2 * (size_t)n + SIMD_SLACK) return -1;
  uint32_t rounds_from = 0;
#ifdef __wasm_simd128__
  if (lanes == RANS_LANES_LARGE) rounds_from = n & ~(RANS_LANES_LARGE - 1u);
#elif defined(DLV_X86)
  if (lanes == RANS_LANES_LARGE && dlv_has_avx2()) rounds_from = n & ~(RANS_LANES_LARGE - 1u);
#endif
  for (uint32_t i = n; i-- > rounds_from;) {
    const uint32_t class = classes ? classes[i] : 0;
    const rans_symbol symbol = symbols[class << 8 | bytes[i]];
    uint32_t x = states[i & (lanes - 1)];
    /* Written always, kept only if the state is too large: no branch to mispredict. */
    const uint32_t move = rans_full(x, symbol);
    put16(at - 2, x);
    at -= move * 2;
    states[i & (lanes - 1)] = rans_push(x >> move * 16, symbol);
  }
#ifdef __wasm_simd128__
  if (rounds_from > 0) at = rans_encode_wasm(bytes, classes, rounds_from, states, symbols, at);
#elif defined(DLV_X86)
  if (rounds_from > 0) {
    if (dlv_has_avx512() && likely->worth) {
      at = rans_encode_likely(bytes, classes, rounds_from, states, symbols, likely, at);
    } else {
      rans_encode_rounds *rounds = dlv_has_avx512() ? rans_encode_avx512 : rans_encode_avx2;
      at = rounds(bytes, classes, rounds_from, states, symbols, at);
    }
  }
#endif
  writer->at = at;
  return 0;
}

/* A state is 2^(15 + k) and 15 + k bits below that. */
#define STATE_BITS 15u

/* Bits of a state beyond STATE_BITS. */
static inline uint32_t state_more(uint32_t x) {
  return 31 - (uint32_t)__builtin_clz(x) - STATE_BITS;
}

size_t rans_length(const rans_writer *writer) {
  uint32_t bits = 0;
  for (uint32_t lane = 0; lane < writer->lanes; lane++) {
    if (writer->states[lane] < RANS_LOW) return 0;
    bits += 4 + STATE_BITS + state_more(writer->states[lane]);
  }
  return (bits + 7) / 8 + (size_t)(writer->end - writer->at);
}

void rans_end(const rans_writer *writer, uint8_t *out) {
  uint64_t bits = 0;
  uint32_t count = 0;
  for (uint32_t lane = 0; lane < writer->lanes; lane++) {
    const uint32_t x = writer->states[lane];
    const uint32_t more = state_more(x);
    bits |= (uint64_t)more << count;
    bits |= (uint64_t)(x ^ 1u << (STATE_BITS + more)) << (count + 4);
    count += 4 + STATE_BITS + more;
    for (; count >= 8; count -= 8, bits >>= 8) *out++ = (uint8_t)bits;
  }
  if (count > 0) *out++ = (uint8_t)bits;
  memcpy(out, writer->at, (size_t)(writer->end - writer->at));
}

int rans_open(rans_reader *reader, const uint8_t *in, size_t length, uint32_t n) {
  reader->lanes = lanes_of(n);
  reader->at = in;
  reader->end = in + length;
  uint64_t bits = 0;
  uint32_t count = 0;
  for (uint32_t lane = 0; lane < reader->lanes; lane++) {
    /* 34 bits at most; what is missing at the end reads as zeros and is found below. */
    for (; count < 34 && reader->at < reader->end; count += 8) {
      bits |= (uint64_t)*reader->at++ << count;
    }
    const uint32_t more = (uint32_t)bits & 15;
    const uint32_t take = 4 + STATE_BITS + more;
    if (take > count) return -1;
    const uint32_t low = (uint32_t)(bits >> 4) & ((1u << (STATE_BITS + more)) - 1);
    reader->states[lane] = low | 1u << (STATE_BITS + more);
    bits >>= take;
    count -= take;
  }
  reader->at -= count / 8;
  return (bits & ((1u << count % 8) - 1)) == 0 ? 0 : -1;
}

int rans_close(const rans_reader *reader) {
  if (reader->at != reader->end) return -1;
  for (uint32_t lane = 0; lane < reader->lanes; lane++) {
    if (reader->states[lane] != RANS_LOW) return -1;
  }
  return 0;
}

/* Symbols from `first` on, without SIMD; `at` is where the words go on. */
static int decode_scalar(rans_reader *reader, const uint8_t *classes, uint32_t first, uint32_t n,
                         const uint32_t *entries, uint8_t *out) {
  const uint32_t lanes = reader->lanes;
  uint32_t *states = reader->states;
  const uint8_t *at = reader->at;
  for (uint32_t i = first; i < n; i++) {
    uint32_t x = states[i & (lanes - 1)];
    const uint32_t class = classes ? classes[i] : 0;
    const uint32_t entry = entries[class << RANS_BITS | (x & (RANS_TOTAL - 1))];
    out[i] = (uint8_t)entry;
    x = (entry >> 20) * (x >> RANS_BITS) + (entry >> 8 & 0xfff);
    if (x < RANS_LOW) {
      if (reader->end - at < 2) return -1;
      x = x << 16 | at[0] | (uint32_t)at[1] << 8;
      at += 2;
    }
    states[i & (lanes - 1)] = x;
  }
  reader->at = at;
  return 0;
}

/* Rounds of any number of lanes without SIMD, and without a branch that depends on the data. */
static inline uint32_t plain_rounds(const uint8_t **at_inout, const uint8_t *last,
                                    const uint8_t *classes, uint32_t i, uint32_t n,
                                    const uint32_t lanes, uint32_t *states, const uint32_t *entries,
                                    uint8_t *out) {
  const uint8_t *at = *at_inout;
  for (; n - i >= lanes && at <= last; i += lanes) {
    for (uint32_t lane = 0; lane < lanes; lane++) {
      uint32_t x = states[lane];
      const uint32_t class = classes ? classes[i + lane] : 0;
      const uint32_t entry = entries[class << RANS_BITS | (x & (RANS_TOTAL - 1))];
      out[i + lane] = (uint8_t)entry;
      x = (entry >> 20) * (x >> RANS_BITS) + (entry >> 8 & 0xfff);
      /* 1 if the state is low; arithmetic that compilers do not turn into a branch. */
      const uint32_t low = (x - RANS_LOW) >> 31;
      const uint32_t word = at[0] | (uint32_t)at[1] << 8;
      states[lane] = x << (low << 4) | (word & (0u - low));
      at += low << 1;
    }
  }
  *at_inout = at;
  return i;
}

static uint32_t large_rounds(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                             uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                             uint8_t *out) {
  return plain_rounds(at, last, classes, i, n, RANS_LANES_LARGE, states, entries, out);
}

static uint32_t small_rounds(const uint8_t **at, const uint8_t *last, const uint8_t *classes,
                             uint32_t i, uint32_t n, uint32_t *states, const uint32_t *entries,
                             uint8_t *out) {
  return plain_rounds(at, last, classes, i, n, RANS_LANES_SMALL, states, entries, out);
}

static rans_decode_rounds *rounds_of(uint32_t lanes) {
  if (lanes == RANS_LANES_SMALL) return small_rounds;
#ifdef DLV_X86
  if (dlv_has_avx512()) return rans_decode_avx512;
  if (dlv_has_avx2()) return rans_decode_avx2;
#endif
#ifdef __wasm_simd128__
  return rans_decode_wasm;
#else
  return large_rounds;
#endif
}

/* Rounds from the first symbol on, by whichever way is best for the plane. */
static uint32_t first_rounds(const rans_block *b, const uint8_t *last) {
  rans_reader *reader = b->reader;
#ifdef DLV_X86
  if (b->likely->worth && reader->lanes == RANS_LANES_LARGE && dlv_has_avx512()) {
    return rans_decode_likely(&reader->at, last, b->classes, b->n, reader->states, b->entries,
                              b->likely, b->out);
  }
#endif
  return rounds_of(reader->lanes)(&reader->at, last, b->classes, 0, b->n, reader->states,
                                  b->entries, b->out);
}

/* Symbols from `i` on where few bytes are left of the stream, or of the block. */
static int decode_end(const rans_block *b, uint32_t i) {
  rans_reader *reader = b->reader;
  /*
   * The last words are read from a copy with zeros behind it. Otherwise a plane with few words would be
   * decoded entirely by the slow loop, which checks each word.
   */
  const size_t left = (size_t)(reader->end - reader->at);
  if (b->n - i >= reader->lanes && left < RANS_ROUND_BYTES) {
    uint8_t copy[2 * RANS_ROUND_BYTES] = {0};
    memcpy(copy, reader->at, left);
    const uint8_t *from = copy;
    i = rounds_of(reader->lanes)(&from, copy + left, b->classes, i, b->n, reader->states,
                                 b->entries, b->out);
    if (from > copy + left) return -1;
    reader->at += from - copy;
  }
  return decode_scalar(reader, b->classes, i, b->n, b->entries, b->out);
}

int rans_decode(const rans_block *b) {
  uint32_t i = 0;
  if ((size_t)(b->reader->end - b->reader->at) >= RANS_ROUND_BYTES) {
    i = first_rounds(b, b->reader->end - RANS_ROUND_BYTES);
  }
  return decode_end(b, i);
}

int rans_has_pairs(const rans_block *b) {
#ifdef DLV_X86
  return b->reader->lanes == RANS_LANES_LARGE && !b->likely->worth && dlv_has_avx512();
#else
  (void)b;
  return 0;
#endif
}

#ifdef DLV_X86
/* Rounds that are left of a block of which `i` symbols are decoded. */
static int decode_rest(const rans_block *b, uint32_t i) {
  rans_reader *reader = b->reader;
  if ((size_t)(reader->end - reader->at) >= RANS_ROUND_BYTES) {
    i = rans_decode_avx512(&reader->at, reader->end - RANS_ROUND_BYTES, b->classes, i, b->n,
                           reader->states, b->entries, b->out);
  }
  return decode_end(b, i);
}
#endif

int rans_decode_two(const rans_block *a, const rans_block *b) {
#ifdef DLV_X86
  if (rans_has_pairs(a) && rans_has_pairs(b)) {
    const uint32_t i = rans_decode_two_avx512(a, b);
    return decode_rest(a, i) || decode_rest(b, i) ? -1 : 0;
  }
#endif
  return rans_decode(a) || rans_decode(b) ? -1 : 0;
}
