#include "plan.h"

uint64_t plan_number(plan_reader *p, size_t bytes) {
  const uint8_t *at;
  uint64_t value = 0;
  if (input_take(&p->input, bytes, &at)) {
    p->is_short = 1;
    return 0;
  }
  for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << 8 * i;
  return value;
}

int plan_class(plan_reader *p, stored_class *s) {
  s->fd = (int)(uint32_t)plan_number(p, 4);
  s->crc = (uint32_t)plan_number(p, 4);
  s->offset = plan_number(p, 8);
  s->length = plan_number(p, 8);
  /* Sums of both, and of places in them, stay numbers of a file. */
  const uint64_t most = (uint64_t)1 << 53;
  return s->offset > most || s->length > most ? DLV_ERR_ARGUMENT : DLV_OK;
}
