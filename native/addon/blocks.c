#include "blocks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

struct block {
  uint8_t *bytes;
  size_t size;
  uint32_t users; /* by `lock` */
  int in_buffer;  /* an ArrayBuffer is one of them; only its thread looks at this */
};

/* All blocks by address. Workers of one process share them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static block **blocks;
static size_t count, capacity;

/* Index of the first block that begins behind `bytes`. */
static size_t behind(const uint8_t *bytes) {
  size_t low = 0, high = count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if ((uintptr_t)blocks[middle]->bytes <= (uintptr_t)bytes) low = middle + 1;
    else high = middle;
  }
  return low;
}

static int insert(block *b) {
  if (count == capacity) {
    const size_t more = capacity ? 2 * capacity : 64;
    block **fresh = realloc(blocks, more * sizeof *blocks);
    if (fresh == NULL) return -1;
    blocks = fresh;
    capacity = more;
  }
  const size_t at = behind(b->bytes);
  memmove(blocks + at + 1, blocks + at, (count - at) * sizeof *blocks);
  blocks[at] = b;
  count++;
  return 0;
}

static void take_out(const block *b) {
  const size_t at = behind(b->bytes);
  memmove(blocks + at - 1, blocks + at, (count - at) * sizeof *blocks);
  count--;
  if (count > 0) return;
  free(blocks);
  blocks = NULL;
  capacity = 0;
}

block *block_adopt(uint8_t *bytes, size_t size) {
  block *b = malloc(sizeof *b);
  if (b == NULL) return NULL;
  *b = (block){bytes, size, 1, 0};
  pthread_mutex_lock(&lock);
  const int failed = insert(b);
  pthread_mutex_unlock(&lock);
  if (!failed) return b;
  free(b);
  return NULL;
}

block *block_new(size_t size) {
  uint8_t *bytes = scratch_take(size);
  if (bytes == NULL) return NULL;
  block *b = block_adopt(bytes, size);
  if (b == NULL) scratch_give(bytes);
  return b;
}

uint8_t *block_bytes(const block *b) { return b->bytes; }

block *block_hold(const uint8_t *bytes, size_t length) {
  block *found = NULL;
  pthread_mutex_lock(&lock);
  const size_t at = behind(bytes);
  if (at > 0) {
    block *b = blocks[at - 1];
    const size_t offset = (size_t)(bytes - b->bytes);
    if (offset <= b->size && length <= b->size - offset) {
      b->users++;
      found = b;
    }
  }
  pthread_mutex_unlock(&lock);
  return found;
}

void block_release(block *b) {
  if (b == NULL) return;
  pthread_mutex_lock(&lock);
  const int last = --b->users == 0;
  if (last) take_out(b);
  pthread_mutex_unlock(&lock);
  if (!last) return;
  scratch_give(b->bytes);
  free(b);
}

static void leave_buffer(napi_env env, void *data, void *hint) {
  block *b = hint;
  (void)env;
  (void)data;
  if (!b->in_buffer) return;
  b->in_buffer = 0;
  block_release(b);
}

napi_value block_to_buffer(napi_env env, block *b, size_t length) {
  napi_value buffer;
  pthread_mutex_lock(&lock);
  b->users++;
  pthread_mutex_unlock(&lock);
  b->in_buffer = 1;
  if (napi_create_external_arraybuffer(env, b->bytes, length, leave_buffer, b, &buffer) ==
      napi_ok) {
    return buffer;
  }
  /* It may have called leave_buffer before it failed. */
  leave_buffer(env, NULL, b);
  return NULL;
}
