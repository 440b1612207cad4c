/* Growing output and bounds-checked input. */
#ifndef DLV_BUFFER_H
#define DLV_BUFFER_H

#include "kernel.h"

/* Makes room for `more` bytes and returns where they go, or NULL if memory is short. */
uint8_t *buffer_reserve(dlv_buffer *buffer, size_t more);
int buffer_put(dlv_buffer *buffer, const uint8_t *bytes, size_t length);
int buffer_put_byte(dlv_buffer *buffer, uint8_t byte);
int buffer_put_varint(dlv_buffer *buffer, uint64_t value);

/*
 * Memory of one call, and of buffers. A few blocks are kept for the next calls of any thread: fresh memory costs a
 * page fault for every 4 KiB, as much as decoding them. Not cleared; NULL if memory is short.
 */
void *scratch_take(size_t size);
void scratch_give(void *block);
/* Frees those that are kept. */
void scratch_drain(void);

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} dlv_input;

/* Each returns 0, or −1 at the end of the input or on a malformed number. */
int input_byte(dlv_input *input, uint8_t *byte);
int input_varint(dlv_input *input, uint64_t *value);
int input_take(dlv_input *input, size_t length, const uint8_t **bytes);

#endif
