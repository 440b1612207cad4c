/* Fuzzing of compute.h, a part of fuzz.c. */
#ifndef DLV_FUZZ_COMPUTE_H
#define DLV_FUZZ_COMPUTE_H

#include <stdint.h>

/* Some operations of each kind; `below` draws a number below its argument. Returns 1 if one was wrong. */
int fuzz_compute(uint32_t (*below)(uint32_t));

#endif
