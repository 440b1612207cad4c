#include "lz4.h"

#include <string.h>

/* Bytes of the shortest match, and what any match takes: a token, and how far back it begins. */
#define MATCH_MIN 4u
#define MATCH_COST 3u
#define HASH_BITS 12
/* Earlier places and bytes of theirs that are compared at most to find the longest match of one place. */
#define STEPS_MAX 128u
/* In the place of a length: what was compared does not tell. */
#define UNKNOWN UINT16_MAX

static uint32_t four_at(const uint8_t *bytes) {
  uint32_t four;
  memcpy(&four, bytes, sizeof four);
  return four;
}

/* Length of the longest match of place `i`, 0 for none. `before` leads from `at` on to the earlier places; 0 ends it. */
static uint16_t longest_at(const uint8_t *bytes, uint32_t length, uint32_t i, uint32_t at,
                           const uint16_t *before) {
  const uint32_t four = four_at(bytes + i);
  uint32_t steps = 0, longest = 0;
  for (; at > 0; at = before[at - 1]) {
    if (++steps > STEPS_MAX) return UNKNOWN;
    const uint8_t *earlier = bytes + at - 1;
    if (four_at(earlier) != four) continue;
    uint32_t n = MATCH_MIN;
    while (n < length - i && earlier[n] == bytes[i + n]) {
      if (++steps > STEPS_MAX) return UNKNOWN;
      n++;
    }
    if (n > longest) longest = n;
  }
  return (uint16_t)longest;
}

/* Writes the length of the longest match at each place, or UNKNOWN. */
static void find_matches(const uint8_t *bytes, uint32_t length, uint16_t *longest) {
  /* 1 + the last place of each hash, and for each place 1 + the one before it of the same hash. */
  uint16_t last[1 << HASH_BITS] = {0}, before[LZ4_ASKED_MAX];
  for (uint32_t i = 0; i < length; i++) {
    longest[i] = 0;
    if (length - i < MATCH_MIN) continue;
    uint16_t *place = &last[four_at(bytes + i) * 0x9e3779b1u >> (32 - HASH_BITS)];
    longest[i] = longest_at(bytes, length, i, *place, before);
    before[i] = *place;
    *place = (uint16_t)(i + 1);
  }
}

/*
 * From the end: the rest from a place on takes a literal and the rest behind it, or a match and the rest behind that.
 * The longest match is as good as any, since a rest takes no more than one that begins earlier. Where its length is
 * unknown it is at most one more than at the next place, at which this match without its first byte begins.
 */
uint32_t lz4_bytes_min(const uint8_t *bytes, size_t length) {
  uint16_t longest[LZ4_ASKED_MAX], cost[LZ4_ASKED_MAX + 1];
  if (length > LZ4_ASKED_MAX) return 0;
  find_matches(bytes, (uint32_t)length, longest);
  cost[length] = 0;
  uint32_t next = 0;
  for (size_t i = length; i-- > 0;) {
    /* Below MATCH_MIN bytes nothing was looked for: so many may be there before. */
    uint32_t most = longest[i] == UNKNOWN ? next + 1 : longest[i];
    cost[i] = cost[i + 1] + 1;
    if (most >= MATCH_MIN && cost[i + most] + MATCH_COST < cost[i]) {
      cost[i] = cost[i + most] + MATCH_COST;
    }
    next = most < MATCH_MIN - 1 ? MATCH_MIN - 1 : most;
  }
  /* The last sequence has a token and no match. */
  return cost[0] + 1u;
}
