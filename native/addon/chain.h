/*
 * Segments that are decoded from files through their chain of deltas, block by block: no plane of a link
 * but the last is ever whole, and none at all where only samples are wanted. And the check of what was encoded.
 *
 * No error of a file is reported from here: whoever asked goes through the chain again by Node's own calls
 * and link by link, which meet the same error and name it.
 */
#ifndef DLV_CHAIN_H
#define DLV_CHAIN_H

#include <node_api.h>

#include "job.h"

/* decodeChain(plan, base | null, count, wanted, out?, abort?) → planes; lib/pure/codec/chain-plan.ts writes plans */
napi_value decode_chain(napi_env env, napi_callback_info info);
/*
 * sampleChain(plan, count, planes, links, length, step, pieces, abort?) → [sample]: of each link of the plan
 * whose bit is set in `links`, the last one among them, all pieces of its first plane, then of the others
 */
napi_value sample_chain(napi_env env, napi_callback_info info);
/* verify(head, [hi, mid, low], base | null, planes, abort?) → CRC-32 of hi, mid, low */
napi_value verify(napi_env env, napi_callback_info info);

/* What their threads do; each answers an error of kernel.h. */
int chain_decode(job *j);
int chain_verify(job *j);
/* Uint32Array of the CRCs; NULL if it cannot be made. */
napi_value verify_answer(napi_env env, const job *j);

#endif
