#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "chain.h"
#include "check.h"
#include "streams.h"

/* A shorter plane is copied in the end: a finalizer costs more. */
#define FRESH_MIN (64u * 1024u)

job *job_new(task task) {
  job *j = calloc(1, sizeof *j);
  if (j) j->task = task;
  return j;
}

static void drop(napi_env env, napi_ref reference) {
  if (reference) napi_delete_reference(env, reference);
}

void job_free(napi_env env, job *j) {
  if (j == NULL) return;
  for (uint32_t i = 0; i < j->held_count; i++) block_release(j->held[i]);
  for (uint32_t k = 0; k < DLV_WIDTH_MAX; k++) {
    block_release(j->fresh[k]);
    drop(env, j->out_refs[k]);
  }
  for (int c = 0; c < 3; c++) drop(env, j->shared_refs[c]);
  drop(env, j->room_ref);
  drop(env, j->abort_ref);
  dlv_encoded_free(&j->encoded);
  scratch_give(j->memory);
  if (j->work) napi_delete_async_work(env, j->work);
  free(j);
}

int job_holds(job *j, const view *v) {
  block *b = block_hold(v->bytes, v->length);
  if (b == NULL) return 0;
  j->held[j->held_count++] = b;
  return 1;
}

/* `from` is NULL for bytes that are only written. */
static void copy_later(job *j, const uint8_t *from, size_t length, const uint8_t **place) {
  static const uint8_t nothing;
  *place = &nothing;
  if (length > 0) j->copies[j->copy_count++] = (copy_place){from, length, place};
}

void job_copies(job *j, const view *v, const uint8_t **place) {
  copy_later(j, v->bytes, v->length, place);
}

void job_reads(job *j, const view *v, const uint8_t **place) {
  *place = v->bytes;
  if (!job_holds(j, v)) job_copies(j, v, place);
}

int job_keep(napi_env env, napi_value value, napi_ref *reference) {
  return napi_create_reference(env, value, 1, reference) == napi_ok ? DLV_OK : DLV_ERR_MEMORY;
}

void job_keeps_abort(call *c, job *j, napi_value value) {
  j->aborted = abort_of(c, value);
  if (j->aborted) j->result = job_keep(c->env, value, &j->abort_ref);
}

int job_writes(napi_env env, job *j, uint32_t k, const view *v) {
  if (v) {
    j->out[k] = v->bytes;
    if (!job_holds(j, v)) copy_later(j, NULL, v->length, &j->out[k]);
    return job_keep(env, v->value, &j->out_refs[k]);
  }
  if (j->out_count < FRESH_MIN) {
    copy_later(j, NULL, j->out_count, &j->out[k]);
    return DLV_OK;
  }
  j->fresh[k] = block_new(j->out_count);
  if (j->fresh[k] == NULL) return DLV_ERR_MEMORY;
  j->out[k] = block_bytes(j->fresh[k]);
  return DLV_OK;
}

void job_reads_coded(job *j, const view *head, const view *classes) {
  job_copies(j, head, &j->head);
  j->head_length = head->length;
  for (uint32_t k = 0; k < 3; k++) {
    job_reads(j, &classes[k], &j->classes[k]);
    j->class_lengths[k] = classes[k].length;
  }
}

void job_decodes(napi_env env, job *j, const view *base, const view *out) {
  if (j->out_count == 0) j->out_count = j->count;
  for (uint32_t k = 0; k < j->base_width; k++) job_reads(j, &base[k], &j->base[k]);
  for (uint32_t k = 0; k < j->wanted && j->result == DLV_OK; k++) {
    j->result = job_writes(env, j, k, out ? &out[k] : NULL);
  }
}

/* Makes the copies. */
static int copy_now(job *j) {
  size_t total = 0;
  for (uint32_t i = 0; i < j->copy_count; i++) {
    if (total + j->copies[i].length < total) return DLV_ERR_MEMORY;
    total += j->copies[i].length;
  }
  if (total == 0) return DLV_OK;
  j->memory = scratch_take(total);
  if (j->memory == NULL) return DLV_ERR_MEMORY;
  uint8_t *to = j->memory;
  for (uint32_t i = 0; i < j->copy_count; i++) {
    const copy_place *copy = &j->copies[i];
    if (copy->bytes) memcpy(to, copy->bytes, copy->length);
    *copy->place = to;
    to += copy->length;
  }
  return DLV_OK;
}

static void execute(napi_env env, void *data) {
  (void)env;
  job *j = data;
  const uint8_t *const *base = j->has_base ? j->base : NULL;
  if (j->task == HASH) {
    dlv_sha256_many(j->prefix, j->prefix_length, j->planes, j->width, j->count, j->digests);
  } else if (j->task == WRITE) {
    stream_write(j);
  } else if (j->task == READ) {
    stream_read(j);
  } else if (j->aborted && *j->aborted) {
    j->result = DLV_ERR_ABORTED;
  } else if (j->task == CHAIN) {
    j->result = chain_decode(j);
  } else if (j->task == CHECK) {
    j->result = check_execute(j);
  } else if (j->task == VERIFY) {
    j->result = chain_verify(j);
  } else if (j->task == ENCODE) {
    j->result = dlv_segment_encode(j->planes, base, j->count, j->width, j->level, j->no_prefix,
                                   j->aborted, &j->encoded);
  } else {
    j->result =
        dlv_segment_decode(j->head, j->head_length, j->classes, j->class_lengths, base,
                           j->base_width, j->count, j->width, j->wanted, (uint8_t *const *)j->out);
  }
}

static const char *text_of(int result) {
  switch (result) {
    case DLV_ERR_ARGUMENT: return "the arguments do not fit the head";
    case DLV_ERR_MEMORY: return "memory is short";
    case DLV_ERR_CORRUPT: return "the bytes contradict themselves";
    case DLV_ERR_BASE: return "the base is missing";
    case DLV_ERR_ABORTED: return "aborted";
    case DLV_ERR_CHANGED: return "the planes were changed while they were encoded";
    case DLV_ERR_DIFFERS: return "the segment decodes to other planes";
    default: return "the kernel failed";
  }
}

static napi_value failure_of(napi_env env, const job *j) {
  return error_of(env, j->result, j->why ? j->why : text_of(j->result));
}

/* On the main thread, also while the environment ends: then nothing can be made or answered. */
static void finish(napi_env env, napi_status status, void *data) {
  job *j = data;
  napi_value thrown, answer = NULL;
  bool is_pending = false;
  if (status != napi_ok && j->result == DLV_OK) j->result = DLV_ERR_ABORTED;
  if (j->result == DLV_OK) answer = answer_of(env, j);
  if (answer) {
    napi_resolve_deferred(env, j->deferred, answer);
  } else {
    if (j->result == DLV_OK) j->result = DLV_ERR_MEMORY;
    napi_is_exception_pending(env, &is_pending);
    if (is_pending) napi_get_and_clear_last_exception(env, &thrown);
    napi_reject_deferred(env, j->deferred, failure_of(env, j));
  }
  job_free(env, j);
}

/* Creates and queues the work; 0 if that succeeds. */
static int queue(napi_env env, job *j) {
  napi_value label;
  if (napi_create_string_utf8(env, "dlv kernel", NAPI_AUTO_LENGTH, &label) != napi_ok ||
      napi_create_async_work(env, NULL, label, execute, finish, j, &j->work) != napi_ok) {
    j->why = "the work cannot be made";
    return DLV_ERR_MEMORY;
  }
  if (napi_queue_async_work(env, j->work) == napi_ok) return DLV_OK;
  j->why = "the work cannot be queued";
  return DLV_ERR_MEMORY;
}

/* Once it is queued the job is its thread's: then nothing of it is touched here. */
static int begin_work(napi_env env, job *j) {
  int failed = j->result;
  if (!failed) failed = copy_now(j);
  if (!failed) failed = queue(env, j);
  if (failed) j->result = failed;
  return failed;
}

napi_value job_start(call *c, job *j) {
  napi_env env = c->env;
  napi_value promise, reason;
  napi_deferred deferred;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) {
    job_free(env, j);
    napi_throw_error(env, NULL, "a promise cannot be made");
    return NULL;
  }
  if (c->refused) {
    reason = reason_of(c);
  } else if (j == NULL) {
    reason = error_of(env, DLV_ERR_MEMORY, text_of(DLV_ERR_MEMORY));
  } else {
    j->deferred = deferred;
    if (!begin_work(env, j)) return promise;
    reason = failure_of(env, j);
  }
  napi_reject_deferred(env, deferred, reason);
  job_free(env, j);
  return promise;
}
