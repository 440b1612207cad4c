/*
 * One call at work on libuv's pool: takes its memory, is queued, answers its promise, is freed.
 *
 * Everything that its thread touches is in the job itself, in a block that the job holds, or in a
 * SharedArrayBuffer that a reference keeps. What is anywhere else is copied before the call returns.
 */
#ifndef DLV_JOB_H
#define DLV_JOB_H

#include <node_api.h>

#include "arguments.h"
#include "blocks.h"
#include "kernel.h"
#include "sha256.h"

/* Child and base, three classes, planes that are written. */
#define JOB_VIEWS_MAX (3 * DLV_WIDTH_MAX + 4)

typedef enum { ENCODE, DECODE, HASH, WRITE, READ, CHAIN, VERIFY, CHECK } task;

/* Pieces of a segment that a sample is of, at most. */
#define SAMPLE_PIECES_MAX 64
/* Bytes of a sample at most. */
#define SAMPLE_BYTES_MAX (64u << 20)

/*
 * What is kept of a segment: `pieces` runs of `length` elements, each `step` behind the one before; of
 * those links of a chain whose bit is set in `links`, `planes` each.
 */
typedef struct {
  uint32_t links, planes, length, step, pieces;
} sampling;

/* Places for planes that a check keeps between records. */
#define JOB_SLOTS_MAX 16

/* Where a job finds bytes that it copies, or copies back. */
typedef struct {
  const uint8_t *bytes;
  size_t length;
  const uint8_t **place;
} copy_place;

typedef struct {
  task task;
  int result;      /* of kernel.h */
  const char *why; /* NULL: what the result says */
  uint32_t count, width, wanted;
  uint32_t out_count; /* DECODE, CHAIN: bytes of each plane of `out` */
  sampling sample;    /* CHAIN: 0 pieces for the last link, whole */
  int level, no_prefix, has_base;
  uint32_t base_width; /* DECODE, CHAIN: planes of the base that were given */
  const uint8_t *planes[DLV_WIDTH_MAX];
  const uint8_t *base[DLV_WIDTH_MAX];
  const uint8_t *head;
  size_t head_length;
  const uint8_t *classes[3];
  size_t class_lengths[3];
  const uint8_t *out[DLV_WIDTH_MAX];
  const uint8_t *prefix;
  size_t prefix_length;
  uint8_t digests[DLV_WIDTH_MAX * SHA256_BYTES];
  uint32_t crcs[3]; /* VERIFY */
  /* CHECK: `width` of them; `done` records are right. */
  const uint8_t *slots[JOB_SLOTS_MAX];
  size_t slot_lengths[JOB_SLOTS_MAX];
  /* WRITE, READ: a file, where in it, the state of its sha256, and how many bytes it came to. */
  int fd, big_endian;
  int64_t offset;
  uint8_t *state;
  uint32_t most, done;
  int is_elsewhere; /* memory that no block holds: nothing is done */
  int is_hashed;    /* WRITE: the state holds all of the planes */
  dlv_encoded encoded;
  uint8_t *room;
  /* Set by JavaScript meanwhile; may be NULL. */
  const volatile int32_t *aborted;

  block *held[JOB_VIEWS_MAX];
  uint32_t held_count;
  copy_place copies[JOB_VIEWS_MAX];
  uint32_t copy_count;
  uint8_t *memory; /* of the copies */
  /* DECODE: the caller's planes (NULL: none), and blocks of planes of its own (NULL: copied). */
  napi_ref out_refs[DLV_WIDTH_MAX];
  block *fresh[DLV_WIDTH_MAX];
  napi_ref shared_refs[3]; /* ENCODE: planes that may be payloads */
  napi_ref room_ref, abort_ref;
  napi_async_work work;
  napi_deferred deferred;
} job;

/* NULL if memory is short. */
job *job_new(task task);
void job_free(napi_env env, job *j);
/* Bytes that the thread finds at *place: where they are, or a copy if they are not in a block. */
void job_reads(job *j, const view *v, const uint8_t **place);
/* The same for bytes that must not change meanwhile: always a copy. */
void job_copies(job *j, const view *v, const uint8_t **place);
/* 1 if the bytes are in a block, which the job holds from now on. */
int job_holds(job *j, const view *v);
/* Memory for plane k of `out`: the caller's, which v says, or with NULL fresh memory. */
int job_writes(napi_env env, job *j, uint32_t k, const view *v);
/* Reads a coded segment: a copy of its head, and its three classes. */
void job_reads_coded(job *j, const view *head, const view *classes);
/* Reads base_width planes of the base, and has memory for the planes that are wanted: `out`, or fresh. */
void job_decodes(napi_env env, job *j, const view *base, const view *out);
/* Takes an Int32Array, or undefined, that JavaScript sets to stop the job. */
void job_keeps_abort(call *c, job *j, napi_value value);
/* Keeps a value from being collected. */
int job_keep(napi_env env, napi_value value, napi_ref *reference);
/* Queues the job, which it takes over, and returns its promise. `c` may be refused: so is the promise. */
napi_value job_start(call *c, job *j);

/* Result of a job that went well; NULL if it cannot be made or, as j->why says, given. */
napi_value answer_of(napi_env env, job *j);

#endif
