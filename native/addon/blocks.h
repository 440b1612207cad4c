/*
 * Memory that JavaScript and threads use at once. JavaScript can detach, transfer or shrink a buffer
 * of its own while a thread works on it; memory of a block stays until its last user is gone.
 */
#ifndef DLV_BLOCKS_H
#define DLV_BLOCKS_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

typedef struct block block;

/* `size` bytes with any content and one user; NULL if memory is short. */
block *block_new(size_t size);
/* Makes a block of memory of scratch_take, which it frees in the end; NULL if memory is short. */
block *block_adopt(uint8_t *bytes, size_t size);
uint8_t *block_bytes(const block *b);
/* The block that has all of these bytes, with one user more; NULL if there is none. */
block *block_hold(const uint8_t *bytes, size_t length);
/* One user less; the last one frees it. */
void block_release(block *b);
/*
 * An ArrayBuffer over the first `length` bytes, which is a user until it is collected; the caller
 * stays one. NULL if it cannot be made.
 */
napi_value block_to_buffer(napi_env env, block *b, size_t length);

#endif
