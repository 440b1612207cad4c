/* What a job that went well gives to JavaScript. */
#include <string.h>

#include "buffer.h"
#include "chain.h"
#include "check.h"
#include "job.h"
#include "streams.h"

/* A shorter payload is copied: a finalizer costs more. */
#define HANDED_OVER_MIN (64u * 1024u)

/* A Uint8Array over a part of an ArrayBuffer; NULL if it cannot be made. */
static napi_value array_over(napi_env env, napi_value buffer, size_t offset, size_t length) {
  napi_value array;
  const napi_status status =
      napi_create_typedarray(env, napi_uint8_array, length, buffer, offset, &array);
  return status == napi_ok ? array : NULL;
}

static napi_value copy_of(napi_env env, const uint8_t *bytes, size_t length) {
  napi_value buffer;
  void *copy = NULL;
  if (napi_create_arraybuffer(env, length, &copy, &buffer) != napi_ok) return NULL;
  if (length > 0) memcpy(copy, bytes, length);
  return array_over(env, buffer, 0, length);
}

/* The first bytes of a block; a copy where ArrayBuffers must have memory of their own. */
static napi_value array_of_block(napi_env env, block *b, size_t length) {
  const napi_value buffer = block_to_buffer(env, b, length);
  return buffer ? array_over(env, buffer, 0, length) : copy_of(env, block_bytes(b), length);
}

/* A payload in memory of the kernel's. */
static napi_value own_payload(napi_env env, dlv_buffer *payload) {
  block *b =
      payload->length < HANDED_OVER_MIN ? NULL : block_adopt(payload->bytes, payload->capacity);
  if (b == NULL) return copy_of(env, payload->bytes, payload->length);
  payload->bytes = NULL;
  const napi_value array = array_of_block(env, b, payload->length);
  block_release(b);
  return array;
}

/* A Uint8Array that a reference keeps, as it is now. */
typedef struct {
  napi_value array, buffer;
  uint8_t *bytes;
  size_t length, offset;
} kept_array;

static int kept(napi_env env, napi_ref reference, kept_array *found) {
  void *data = NULL;
  if (napi_get_reference_value(env, reference, &found->array) != napi_ok || !found->array ||
      napi_get_typedarray_info(env, found->array, NULL, &found->length, &data, &found->buffer,
                               &found->offset) != napi_ok) {
    return -1;
  }
  found->bytes = data;
  return 0;
}

/* A payload in the caller's room: a view of it, or a copy if the room was transferred meanwhile. */
static napi_value room_payload(napi_env env, const job *j, const dlv_buffer *payload) {
  kept_array room;
  if (kept(env, j->room_ref, &room)) return NULL;
  if (room.bytes != j->room || room.length < (size_t)j->count * j->width) {
    return copy_of(env, payload->bytes, payload->length);
  }
  const size_t offset = room.offset + (size_t)(payload->bytes - j->room);
  return array_over(env, room.buffer, offset, payload->length);
}

/* A payload that is a plane of the caller's: the plane, or a copy if it was transferred meanwhile. */
static napi_value shared_payload(napi_env env, const job *j, int class) {
  const dlv_buffer *payload = &j->encoded.classes[class];
  kept_array plane;
  if (kept(env, j->shared_refs[class], &plane)) return NULL;
  if (plane.bytes == payload->bytes && plane.length == payload->length) return plane.array;
  return copy_of(env, payload->bytes, payload->length);
}

static napi_value payload_answer(napi_env env, job *j, int class) {
  dlv_buffer *payload = &j->encoded.classes[class];
  if (!payload->lent) return own_payload(env, payload);
  const uint8_t *shared = j->encoded.shared[class];
  if (shared && payload->bytes == shared) return shared_payload(env, j, class);
  return room_payload(env, j, payload);
}

static napi_value encoded_answer(napi_env env, job *j) {
  static const char *const NAMES[] = {"hi", "mid", "low"};
  napi_value answer, uses_base;
  if (napi_create_object(env, &answer) != napi_ok) return NULL;
  const napi_value head = own_payload(env, &j->encoded.head);
  if (head == NULL || napi_set_named_property(env, answer, "head", head) != napi_ok) return NULL;
  for (int c = 0; c < 3; c++) {
    const napi_value bytes = payload_answer(env, j, c);
    if (bytes == NULL || napi_set_named_property(env, answer, NAMES[c], bytes) != napi_ok) {
      return NULL;
    }
  }
  if (napi_get_boolean(env, j->encoded.uses_base, &uses_base) != napi_ok ||
      napi_set_named_property(env, answer, "usesBase", uses_base) != napi_ok) {
    return NULL;
  }
  return answer;
}

/* A plane of the caller's, filled by now. */
static napi_value caller_plane(napi_env env, job *j, uint32_t k) {
  kept_array plane;
  if (kept(env, j->out_refs[k], &plane)) return NULL;
  if (plane.length != j->out_count) {
    j->result = DLV_ERR_ARGUMENT;
    j->why = "a plane of 'out' was detached or resized while it was decoded";
    return NULL;
  }
  /* Other bytes than those decoded into: they were copied, or the plane is elsewhere by now. */
  if (plane.bytes != j->out[k]) memcpy(plane.bytes, j->out[k], j->out_count);
  return plane.array;
}

static napi_value decoded_answer(napi_env env, job *j) {
  napi_value planes;
  if (napi_create_array_with_length(env, j->wanted, &planes) != napi_ok) return NULL;
  for (uint32_t k = 0; k < j->wanted; k++) {
    napi_value plane;
    if (j->out_refs[k]) plane = caller_plane(env, j, k);
    else if (j->fresh[k]) plane = array_of_block(env, j->fresh[k], j->out_count);
    else plane = copy_of(env, j->out[k], j->out_count);
    if (plane == NULL || napi_set_element(env, planes, k, plane) != napi_ok) return NULL;
  }
  return planes;
}

/* Bytes written, or −1 if nothing was done at all. */
static napi_value written_answer(napi_env env, const job *j) {
  napi_value number;
  const double bytes = j->is_hashed ? (double)j->done : -1;
  return napi_create_double(env, bytes, &number) == napi_ok ? number : NULL;
}

napi_value answer_of(napi_env env, job *j) {
  switch (j->task) {
    case ENCODE: return encoded_answer(env, j);
    case DECODE:
    case CHAIN: return decoded_answer(env, j);
    case VERIFY: return verify_answer(env, j);
    case CHECK: return check_answer(env, j);
    case WRITE: return written_answer(env, j);
    case READ: return read_answer(env, j);
    default: return copy_of(env, j->digests, (size_t)j->width * SHA256_BYTES);
  }
}
