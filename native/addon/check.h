/*
 * Records of a forest of deltas, read from files, decoded over each other and compared with the hashes that
 * their ids are made of. Planes of bases stay in numbered slots; nothing of them reaches JavaScript.
 *
 * Nothing says what is wrong with a record: whoever asked goes through it again by Node's own calls, which
 * meet the same error and name it.
 */
#ifndef DLV_CHECK_H
#define DLV_CHECK_H

#include <node_api.h>

#include "job.h"

/* checkRecords(plan, slots, abort?) → leading records that are right; lib/pure/codec/check-plan.ts writes plans */
napi_value check_records(napi_env env, napi_callback_info info);

/* What its thread does; answers an error of kernel.h. */
int check_execute(job *j);
napi_value check_answer(napi_env env, const job *j);

#endif
