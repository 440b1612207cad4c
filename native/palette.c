#include "palette.h"

#include <string.h>

/* Elements that are looked at before all are: most extents have too many values by then. */
#define LOOK 1024u
#define SLOTS 1024u

typedef struct {
  uint64_t values[SLOTS];
  uint16_t number[SLOTS]; /* order of appearance + 1, 0: free */
  uint32_t size;
} value_set;

static uint64_t word_at(const uint8_t *const *planes, uint32_t width, uint32_t i) {
  uint64_t word = 0;
  for (uint32_t k = 0; k < width; k++) word = word << 8 | planes[k][i];
  return word;
}

/* The slot of a word, which is added if it is new; SLOTS if the set is full. */
static uint32_t slot_of(value_set *set, uint64_t word) {
  uint32_t slot = (uint32_t)(word * 0x9e3779b97f4a7c15ull >> 54);
  while (set->number[slot] != 0) {
    if (set->values[slot] == word) return slot;
    slot = (slot + 1) & (SLOTS - 1);
  }
  if (set->size == PALETTE_MAX) return SLOTS;
  set->values[slot] = word;
  set->number[slot] = (uint16_t)++set->size;
  return slot;
}

int palette_find(const uint8_t *const *planes, uint32_t width, uint32_t n, palette *found,
                 uint8_t *indices) {
  value_set set;
  memset(set.number, 0, sizeof set.number);
  set.size = 0;
  const uint32_t step = n / LOOK + 1;
  for (uint32_t i = 0; i < n; i += step) {
    if (slot_of(&set, word_at(planes, width, i)) == SLOTS) return 0;
  }
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t slot = slot_of(&set, word_at(planes, width, i));
    if (slot == SLOTS) return 0;
    indices[i] = (uint8_t)(set.number[slot] - 1);
  }
  if (set.size > n / 8) return 0;
  /* Ascending, so that equal data gives equal bytes; rank[number of appearance] is the index. */
  uint64_t sorted[PALETTE_MAX];
  uint8_t rank[PALETTE_MAX];
  uint32_t size = 0;
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    if (set.number[slot] == 0) continue;
    uint32_t at = size++;
    for (; at > 0 && sorted[at - 1] > set.values[slot]; at--) sorted[at] = sorted[at - 1];
    sorted[at] = set.values[slot];
  }
  for (uint32_t v = 0; v < size; v++) {
    rank[set.number[slot_of(&set, sorted[v])] - 1] = (uint8_t)v;
    for (uint32_t k = 0; k < width; k++) {
      found->bytes[k][v] = (uint8_t)(sorted[v] >> 8 * (width - 1 - k));
    }
  }
  for (uint32_t i = 0; i < n; i++) indices[i] = rank[indices[i]];
  found->size = size;
  return 1;
}

void palette_apply(const palette *from, const uint8_t *indices, uint32_t n, uint32_t wanted,
                   uint8_t *const *planes) {
  for (uint32_t k = 0; k < wanted; k++) {
    const uint8_t *bytes = from->bytes[k];
    for (uint32_t i = 0; i < n; i++) planes[k][i] = bytes[indices[i]];
  }
}

int palette_exceeded(const palette *from, const uint8_t *indices, uint32_t n) {
  uint8_t largest = 0;
  for (uint32_t i = 0; i < n; i++) largest = indices[i] > largest ? indices[i] : largest;
  return largest >= from->size;
}
