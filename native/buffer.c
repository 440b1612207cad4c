#include "buffer.h"

#include <stdlib.h>
#include <string.h>

uint8_t *buffer_reserve(dlv_buffer *buffer, size_t more) {
  const size_t needed = buffer->length + more;
  if (needed < more) return NULL;
  if (needed > buffer->capacity) {
    size_t capacity = buffer->capacity ? buffer->capacity : 256;
    while (capacity < needed) capacity += capacity / 2 + 64;
    uint8_t *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL) return NULL;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
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
      return 0;
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
