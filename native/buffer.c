#include "buffer.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *grow(dlv_buffer *buffer, size_t capacity);

uint8_t *buffer_reserve(dlv_buffer *buffer, size_t more) {
  const size_t needed = buffer->length + more;
  if (needed < more) return NULL;
  if (needed > buffer->capacity) {
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < needed) capacity += capacity / 2 + 64;
    uint8_t *bytes = grow(buffer, capacity);
    if (bytes == NULL) return NULL;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    buffer->lent = 0;
  }
  return buffer->bytes + buffer->length;
}

int buffer_put(dlv_buffer *buffer, const uint8_t *bytes, size_t length) {
  uint8_t *at = buffer_reserve(buffer, length);
  if (at == NULL) return DLV_ERR_MEMORY;
  memcpy(at, bytes, length);
  buffer->length += length;
  return DLV_OK;
}

int buffer_put_byte(dlv_buffer *buffer, uint8_t byte) { return buffer_put(buffer, &byte, 1); }

int buffer_put_varint(dlv_buffer *buffer, uint64_t value) {
  uint8_t bytes[10];
  size_t length = 0;
  while (value >= 0x80) {
    bytes[length++] = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  bytes[length++] = (uint8_t)value;
  return buffer_put(buffer, bytes, length);
}

int input_byte(dlv_input *input, uint8_t *byte) {
  if (input->at == input->end) return -1;
  *byte = *input->at++;
  return 0;
}

int input_varint(dlv_input *input, uint64_t *value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 56; shift += 7) {
    uint8_t byte;
    if (input_byte(input, &byte)) return -1;
    result |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) return -1;
      *value = result;
      return result >> 53 ? -1 : 0;
    }
  }
  return -1;
}

int input_take(dlv_input *input, size_t length, const uint8_t **bytes) {
  if ((size_t)(input->end - input->at) < length) return -1;
  *bytes = input->at;
  input->at += length;
  return 0;
}

/*
 * Under the address sanitizer every block has its exact size, so that no overflow is missed; where
 * blocks are counted (checks/faults.h) none is kept.
 */
#if defined(__wasm__) || defined(__SANITIZE_ADDRESS__) || defined(DLV_FAULTS)
void *scratch_take(size_t size) { return malloc(size); }
void scratch_give(void *block) { free(block); }
void scratch_drain(void) {}

#else
/* Blocks that are kept, and the most bytes of all. Short ones cost the allocator little. */
#define KEPT 32
#define KEPT_BYTES ((size_t)96 << 20)
#define KEPT_MIN ((size_t)64 << 10)
#define HEADER 64

static void *kept[KEPT];
static size_t kept_bytes;

/* The room of a block is written in front of it. */
static size_t room_of(void *start) { return *(size_t *)start; }

/* Puts a block into a free place; frees it if there is none or too much is kept. */
static void keep(void *start) {
  const size_t room = room_of(start);
  if (room < KEPT_MIN) {
    free(start);
    return;
  }
  if (__atomic_add_fetch(&kept_bytes, room, __ATOMIC_RELAXED) <= KEPT_BYTES) {
    for (int i = 0; i < KEPT; i++) {
      void *none = NULL;
      if (__atomic_compare_exchange_n(&kept[i], &none, start, 0, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED)) {
        return;
      }
    }
  }
  __atomic_sub_fetch(&kept_bytes, room, __ATOMIC_RELAXED);
  free(start);
}

void *scratch_take(size_t size) {
  for (int i = 0; i < KEPT && size >= KEPT_MIN; i++) {
    void *start = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQUIRE);
    if (start == NULL) continue;
    const size_t room = room_of(start);
    __atomic_sub_fetch(&kept_bytes, room, __ATOMIC_RELAXED);
    /* A much larger block is left to a call that needs it. */
    if (room >= size && room / 4 <= size) return (char *)start + HEADER;
    keep(start);
  }
  if (size > SIZE_MAX - HEADER) return NULL;
  void *start;
  /* Vectors that lie across lines of the cache take twice as long. */
  if (posix_memalign(&start, HEADER, HEADER + size)) return NULL;
  *(size_t *)start = size;
  return (char *)start + HEADER;
}

void scratch_give(void *block) {
  if (block) keep((char *)block - HEADER);
}

void scratch_drain(void) {
  for (int i = 0; i < KEPT; i++) {
    void *start = __atomic_exchange_n(&kept[i], NULL, __ATOMIC_ACQUIRE);
    if (start == NULL) continue;
    __atomic_sub_fetch(&kept_bytes, room_of(start), __ATOMIC_RELAXED);
    free(start);
  }
}

#endif

static uint8_t *grow(dlv_buffer *buffer, size_t capacity) {
#ifdef __wasm__
  if (!buffer->lent) return realloc(buffer->bytes, capacity);
#endif
  uint8_t *more = scratch_take(capacity);
  if (more == NULL) return NULL;
  if (buffer->length > 0) memcpy(more, buffer->bytes, buffer->length);
  if (!buffer->lent) scratch_give(buffer->bytes);
  return more;
}
