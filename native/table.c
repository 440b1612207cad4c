#include "table.h"

#include <string.h>

typedef struct {
  dlv_buffer *out;
  uint64_t bits;
  uint32_t count;
  int failed;
} bit_writer;

static void put_bits(bit_writer *writer, uint32_t value, uint32_t count) {
  writer->bits |= (uint64_t)value << writer->count;
  writer->count += count;
  while (writer->count >= 8) {
    if (buffer_put_byte(writer->out, (uint8_t)writer->bits)) writer->failed = 1;
    writer->bits >>= 8;
    writer->count -= 8;
  }
}

/* Gamma code of value ≥ 1: as many zeros as bits follow the leading one, then the bits. */
static void put_gamma(bit_writer *writer, uint32_t value) {
  const uint32_t extra = 31 - (uint32_t)__builtin_clz(value);
  put_bits(writer, 0, extra);
  put_bits(writer, 1, 1);
  put_bits(writer, value & ((1u << extra) - 1), extra);
}

int table_write(const rans_table *tables, uint32_t classes, dlv_buffer *out) {
  bit_writer writer = {out, 0, 0, 0};
  for (uint32_t c = 0; c < classes; c++) {
    uint32_t left = RANS_TOTAL;
    uint32_t gap = 1;
    for (int s = 0; s < 256 && left > 0; s++) {
      const uint32_t freq = tables[c].freq[s];
      if (freq == 0) {
        gap++;
        continue;
      }
      put_gamma(&writer, gap);
      put_gamma(&writer, freq);
      left -= freq;
      gap = 1;
    }
  }
  if (writer.count > 0) put_bits(&writer, 0, 8 - writer.count);
  return writer.failed ? DLV_ERR_MEMORY : DLV_OK;
}

typedef struct {
  dlv_input *input;
  uint32_t bits;
  uint32_t count;
} bit_reader;

static int get_bit(bit_reader *reader, uint32_t *bit) {
  if (reader->count == 0) {
    uint8_t byte;
    if (input_byte(reader->input, &byte)) return -1;
    reader->bits = byte;
    reader->count = 8;
  }
  *bit = reader->bits & 1;
  reader->bits >>= 1;
  reader->count--;
  return 0;
}

static int get_gamma(bit_reader *reader, uint32_t *value) {
  uint32_t extra = 0;
  uint32_t bit;
  for (;;) {
    if (get_bit(reader, &bit)) return -1;
    if (bit) break;
    if (++extra > 11) return -1; /* neither a gap nor a frequency is that large */
  }
  uint32_t result = 0;
  for (uint32_t i = 0; i < extra; i++) {
    if (get_bit(reader, &bit)) return -1;
    result |= bit << i;
  }
  *value = result | 1u << extra;
  return 0;
}

int table_read(dlv_input *input, rans_table *tables, uint32_t classes) {
  bit_reader reader = {input, 0, 0};
  for (uint32_t c = 0; c < classes; c++) {
    memset(&tables[c], 0, sizeof tables[c]);
    uint32_t left = RANS_TOTAL;
    uint32_t symbol = 0;
    while (left > 0) {
      uint32_t gap, freq;
      if (get_gamma(&reader, &gap) || get_gamma(&reader, &freq)) return -1;
      symbol += gap - 1;
      if (symbol > 255 || freq > left) return -1;
      tables[c].freq[symbol++] = (uint16_t)freq;
      left -= freq;
    }
  }
  return reader.bits == 0 ? 0 : -1;
}
