/* Memory of an encoded segment: its own, lent by the caller, or planes of the caller's. */
#include <string.h>

#include "segment.h"

void dlv_encoded_free(dlv_encoded *encoded) {
  scratch_give(encoded->head.bytes);
  for (int c = 0; c < 3; c++) {
    if (!encoded->classes[c].lent) scratch_give(encoded->classes[c].bytes);
  }
  memset(encoded, 0, sizeof *encoded);
}

void dlv_encoded_share(dlv_encoded *encoded, const uint8_t *plane, uint32_t k, uint32_t width) {
  if (is_alone(width, k)) encoded->shared[plane_class(width, k)] = plane;
}

void dlv_encoded_lend(dlv_encoded *encoded, uint8_t *room, uint32_t count, uint32_t width) {
  for (uint32_t k = 0; k < width; k++) {
    dlv_buffer *payload = &encoded->classes[plane_class(width, k)];
    if (payload->bytes == NULL) payload->bytes = room + (size_t)k * count;
    payload->capacity += count;
    payload->lent = 1;
  }
}
