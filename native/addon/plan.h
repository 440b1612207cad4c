/* Plans that JavaScript writes: numbers, little endian, and where payloads stand in open files. */
#ifndef DLV_PLAN_H
#define DLV_PLAN_H

#include <stdint.h>

#include "buffer.h"

/* A plan that is being read; numbers behind its end are 0, which is_short says. */
typedef struct {
  dlv_input input;
  int is_short;
} plan_reader;

/* Where a payload stands in a file, and what its CRC has to be. */
typedef struct {
  int fd;
  uint32_t crc;
  uint64_t offset, length;
} stored_class;

uint64_t plan_number(plan_reader *p, size_t bytes);
/* Answers 0 or DLV_ERR_ARGUMENT. */
int plan_class(plan_reader *p, stored_class *s);

#endif
