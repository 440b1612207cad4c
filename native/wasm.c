/*
 * WebAssembly interface of the kernel, without a C library: memory, allocation, entry points.
 *
 * JavaScript calls wasm_reset, takes room with wasm_alloc, fills it, and calls encode or decode.
 * Planes are given as one block, plane after plane.
 */
#include <stddef.h>
#include <stdint.h>

#include "chunk.h"
#include "compute.h"
#include "drift.h"
#include "kernel.h"
#include "sketch.h"

extern uint8_t __heap_base;
static size_t heap_at;
static size_t last_block;

#define PAGE 65536u

void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  return __builtin_memcpy(to, from, n);
}
void *memmove(void *to, const void *from, size_t n) { return __builtin_memmove(to, from, n); }
void *memset(void *to, int value, size_t n) { return __builtin_memset(to, value, n); }

int memcmp(const void *a, const void *b, size_t n) {
  const uint8_t *x = a, *y = b;
  size_t i = 0;
  /* Eight at a time while they agree. */
  for (; n - i >= 8; i += 8) {
    uint64_t u, v;
    __builtin_memcpy(&u, x + i, 8);
    __builtin_memcpy(&v, y + i, 8);
    if (u != v) break;
  }
  for (; i < n; i++) {
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  }
  return 0;
}

void wasm_reset(void) { heap_at = ((size_t)&__heap_base + 15) & ~(size_t)15; }

void *malloc(size_t size) {
  const size_t start = heap_at;
  const size_t end = (start + 16 + size + 15) & ~(size_t)15;
  if (end < start) return NULL;
  const size_t have = __builtin_wasm_memory_size(0) * (size_t)PAGE;
  if (end > have) {
    const size_t pages = (end - have + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return NULL;
  }
  *(size_t *)start = size;
  last_block = start + 16;
  heap_at = end;
  return (void *)last_block;
}

void *calloc(size_t count, size_t size) {
  void *block = malloc(count * size);
  if (block) memset(block, 0, count * size);
  return block;
}

/* All memory of a call is given back by the next wasm_reset. */
void free(void *block) { (void)block; }

void *realloc(void *block, size_t size) {
  if (block == NULL) return malloc(size);
  const size_t old = *(size_t *)((size_t)block - 16);
  if ((size_t)block == last_block) {
    heap_at = (size_t)block - 16;
    return malloc(size);
  }
  void *fresh = malloc(size);
  if (fresh) memcpy(fresh, block, old < size ? old : size);
  return fresh;
}

void *wasm_alloc(size_t size) { return malloc(size); }

static void point(const uint8_t *block, uint32_t count, uint32_t planes, const uint8_t **out) {
  for (uint32_t k = 0; k < planes; k++) out[k] = block + (size_t)k * count;
}

/* Result of the last encode: head, hi, mid, low as (address, length), then uses_base. */
static uint32_t answer[9];
uint32_t *wasm_answer(void) { return answer; }

int wasm_encode(const uint8_t *child, const uint8_t *base, uint32_t count, uint32_t width,
                int level, int no_prefix) {
  const uint8_t *planes[DLV_WIDTH_MAX], *base_planes[DLV_WIDTH_MAX];
  dlv_encoded out = {0};
  if (width == 0 || width > DLV_WIDTH_MAX) return DLV_ERR_ARGUMENT;
  point(child, count, width, planes);
  if (base) point(base, count, width, base_planes);
  const int failed = dlv_segment_encode(planes, base ? base_planes : NULL, count, width, level,
                                        no_prefix, NULL, &out);
  if (failed) return failed;
  const dlv_buffer *buffers[4] = {&out.head, &out.classes[0], &out.classes[1], &out.classes[2]};
  for (int i = 0; i < 4; i++) {
    answer[2 * i] = (uint32_t)(size_t)buffers[i]->bytes;
    answer[2 * i + 1] = (uint32_t)buffers[i]->length;
  }
  answer[8] = (uint32_t)out.uses_base;
  return DLV_OK;
}

int wasm_decode(const uint8_t *head, size_t head_length, const uint8_t *hi, size_t hi_length,
                const uint8_t *mid, size_t mid_length, const uint8_t *low, size_t low_length,
                const uint8_t *base, uint32_t base_count, uint32_t count, uint32_t width,
                uint32_t wanted, uint8_t *out) {
  const uint8_t *classes[3] = {hi, mid, low};
  const size_t lengths[3] = {hi_length, mid_length, low_length};
  const uint8_t *base_planes[DLV_WIDTH_MAX];
  uint8_t *planes[DLV_WIDTH_MAX];
  if (wanted == 0 || wanted > DLV_WIDTH_MAX) return DLV_ERR_ARGUMENT;
  if (base_count > DLV_WIDTH_MAX) return DLV_ERR_ARGUMENT;
  if (base) point(base, count, base_count, base_planes);
  point(out, count, wanted, (const uint8_t **)planes);
  return dlv_segment_decode(head, head_length, classes, lengths, base ? base_planes : NULL,
                            base_count, count, width, wanted, planes);
}

size_t wasm_cut_chunk(const uint8_t *bytes, size_t length) { return dlv_cut_chunk(bytes, length); }

void wasm_distances(const uint8_t *sketch, uint32_t length, uint32_t width, const uint8_t *rows,
                    size_t count, uint32_t stride, uint32_t *sums) {
  dlv_sketch_distances(sketch, length, width, rows, count, stride, sums);
}

/* `state` begins 8-aligned; planes are one block on either side. */
void wasm_drift(const uint8_t *a, uint32_t a_planes, uint32_t a_kind, const uint8_t *b,
                uint32_t b_planes, uint32_t b_kind, uint32_t count, double *state) {
  const uint8_t *left[DLV_WIDTH_MAX], *right[DLV_WIDTH_MAX];
  point(a, count, a_planes, left);
  point(b, count, b_planes, right);
  dlv_drift(left, a_planes, a_kind, right, b_planes, b_kind, count, state);
}

void wasm_weigh(const uint8_t *block, uint32_t known, uint32_t kind, uint32_t count, double *state,
                uint32_t *bins) {
  const uint8_t *planes[DLV_WIDTH_MAX];
  point(block, count, known, planes);
  dlv_weigh(planes, known, kind, count, state, bins);
}

static void alone(void *state, uint32_t count, compute_task *task, const void *work) {
  for (uint32_t index = 0; index < count; index++) task(work, index, state);
}

/* `scratch`: COMPUTE_SCRATCH_FLOATS; the caller keeps it, like the arena, from one program to the next. */
int wasm_compute(float *arena, size_t floats, const int32_t *program, size_t words,
                 float *scratch) {
  const compute_team one = {alone, scratch};
  return dlv_compute(arena, floats, program, words, &one);
}

size_t wasm_scratch(void) { return COMPUTE_SCRATCH_FLOATS * sizeof(float); }
