/*
 * Arithmetic of training: products of matrices, convolutions, pooling, norms, updates of weights.
 *
 * A program is a list of 32-bit words: an operation of the list below, then its arguments in the order of its
 * struct. Offsets count floats of one block of memory, the arena; an argument that is a float is its bits. Every
 * argument is checked before the operation begins.
 *
 * An operation is cut into tasks by its shapes alone, and each number is summed up by one task in one order. So
 * results do not depend on how many threads share the tasks. They do depend on the instruction set: where a
 * product and a sum are rounded once (FMA), the last bits differ from builds that round twice.
 */
#ifndef DLV_COMPUTE_H
#define DLV_COMPUTE_H

#include <stddef.h>
#include <stdint.h>

typedef void compute_task(const void *work, uint32_t index, float *scratch);

/* Who carries out tasks. */
typedef struct {
  /* Runs tasks 0 … count − 1, in any order; each at work has COMPUTE_SCRATCH_FLOATS of its own. */
  void (*each)(void *state, uint32_t count, compute_task *task, const void *work);
  void *state;
} compute_team;

/* Rows, inner products and columns of a block of a matrix product. */
#define COMPUTE_ROWS 96u
#define COMPUTE_INNER 256u
#define COMPUTE_COLUMNS 128u
/* Rows of blocks stand apart by an odd number of cache lines, so that they do not share few sets of the cache. */
#define COMPUTE_A_STRIDE (COMPUTE_INNER + 16u)
#define COMPUTE_B_STRIDE (COMPUTE_COLUMNS + 16u)
#define COMPUTE_SCRATCH_FLOATS                                          \
  (COMPUTE_ROWS * COMPUTE_A_STRIDE + COMPUTE_INNER * COMPUTE_B_STRIDE + \
   COMPUTE_ROWS * COMPUTE_B_STRIDE)

/* Operations: lib/base/native/compute.ts has the same order. */
enum {
  COMPUTE_PRODUCT,
  COMPUTE_CONV,
  COMPUTE_CONV_INPUT,
  COMPUTE_CONV_WEIGHT,
  COMPUTE_MAX_POOL,
  COMPUTE_MAX_POOL_BACK,
  COMPUTE_MEAN_POOL,
  COMPUTE_MEAN_POOL_BACK,
  COMPUTE_RECTIFY,
  COMPUTE_RECTIFY_BACK,
  COMPUTE_NORM,
  COMPUTE_NORM_BACK,
  COMPUTE_NORM_FIXED,
  COMPUTE_SUM,
  COMPUTE_MULTIPLY,
  COMPUTE_BIAS,
  COMPUTE_BIAS_BACK,
  COMPUTE_SGD,
  COMPUTE_ADAM,
  COMPUTE_OPERATIONS
};

/*
 * Carries out a program. Returns DLV_OK, or DLV_ERR_ARGUMENT where an operation is none or reaches outside the
 * arena; those before it were carried out.
 */
int dlv_compute(float *arena, size_t floats, const int32_t *program, size_t words,
                const compute_team *team);

#endif
