#include "chunk.h"

#include "sha256.h"

/* Zero bits that a cut asks of the hash, below the target size and above it. */
#define MASK_BEFORE_TARGET 0xffffe000u
#define MASK_AFTER_TARGET 0xfffe0000u
/* The hash looks back over this many bytes. */
#define WINDOW 32u

static uint32_t gear[256];
static int gear_made;

/* gear[i] = the first 4 bytes of sha256("dlv:gear" i). Threads that meet here write equal values. */
static const uint32_t *make_gear(void) {
  static const uint8_t prefix[8] = {'d', 'l', 'v', ':', 'g', 'e', 'a', 'r'};
  if (__atomic_load_n(&gear_made, __ATOMIC_ACQUIRE)) return gear;
  for (uint32_t i = 0; i < 256; i++) {
    const uint8_t byte = (uint8_t)i;
    const uint8_t *part = &byte;
    uint8_t digest[SHA256_BYTES];
    dlv_sha256_many(prefix, sizeof prefix, &part, 1, 1, digest);
    const uint32_t value = (uint32_t)digest[0] | (uint32_t)digest[1] << 8 |
                           (uint32_t)digest[2] << 16 | (uint32_t)digest[3] << 24;
    __atomic_store_n(&gear[i], value, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&gear_made, 1, __ATOMIC_RELEASE);
  return gear;
}

/*
 * Searches from byte `i` on for the first cut before `end`. Returns the index after it, or 0. Four bytes at a time:
 * the hash four bytes on needs one shift and one sum of what does not depend on it.
 */
static size_t scan(const uint8_t *bytes, size_t i, size_t end, uint32_t mask, const uint32_t *g,
                   uint32_t *state) {
  uint32_t h = *state;
  for (; end - i >= 4; i += 4) {
    const uint32_t a = g[bytes[i]], b = g[bytes[i + 1]], c = g[bytes[i + 2]], d = g[bytes[i + 3]];
    const uint32_t ab = (a << 1) + b, cd = (c << 1) + d;
    const uint32_t h1 = (h << 1) + a, h2 = (h << 2) + ab, h3 = (h << 3) + (ab << 1) + c;
    h = (h << 4) + (ab << 2) + cd;
    if (!(h1 & mask)) return i + 1;
    if (!(h2 & mask)) return i + 2;
    if (!(h3 & mask)) return i + 3;
    if (!(h & mask)) return i + 4;
  }
  for (; i < end; i++) {
    h = (h << 1) + g[bytes[i]];
    if (!(h & mask)) return i + 1;
  }
  *state = h;
  return 0;
}

size_t dlv_cut_chunk(const uint8_t *bytes, size_t length) {
  const uint32_t *g = make_gear();
  const size_t end = length < CHUNK_BYTES_MAX ? length : CHUNK_BYTES_MAX;
  if (end <= CHUNK_BYTES_MIN) return end;
  const size_t target = end < CHUNK_BYTES_TARGET ? end : CHUNK_BYTES_TARGET;
  uint32_t state = 0;
  for (size_t i = CHUNK_BYTES_MIN - WINDOW; i < CHUNK_BYTES_MIN; i++) {
    state = (state << 1) + g[bytes[i]];
  }
  size_t cut = scan(bytes, CHUNK_BYTES_MIN, target, MASK_BEFORE_TARGET, g, &state);
  if (cut == 0) cut = scan(bytes, target, end, MASK_AFTER_TARGET, g, &state);
  return cut == 0 ? end : cut;
}
