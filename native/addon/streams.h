/*
 * From planes to a file and back in pieces that stay in the processor's cache, hashed on the way.
 *
 * No error of the file is reported from here: a job does what it can and says how far it came. Whoever
 * asked goes on from there by Node's own calls, which meet the same error and name it.
 */
#ifndef DLV_STREAMS_H
#define DLV_STREAMS_H

#include <node_api.h>

#include "job.h"

/* sha256State() → Uint8Array: a running sha256 at its start; null where the processor has no instructions for it */
napi_value sha256_state_new(napi_env env, napi_callback_info info);
/* sha256Update(state, bytes), at once */
napi_value sha256_state_update(napi_env env, napi_callback_info info);
/* sha256Digest(state) → 32 bytes */
napi_value sha256_state_digest(napi_env env, napi_callback_info info);
/* writePlanes(fd, planes, bigEndian, state, most) → bytes written, of at most `most` */
napi_value write_planes(napi_env env, napi_callback_info info);
/* readPlanes(fd, offset, planes, bigEndian, state, prefix) → { bytes, digests } */
napi_value read_planes(napi_env env, napi_callback_info info);

/* What their threads do. */
void stream_write(job *j);
void stream_read(job *j);
/* { bytes, digests } of a job that read; NULL if it cannot be made. */
napi_value read_answer(napi_env env, const job *j);

#endif
