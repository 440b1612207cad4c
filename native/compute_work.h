/* What operations of compute.h are told: their arguments, in order, and where these point. */
#ifndef DLV_COMPUTE_WORK_H
#define DLV_COMPUTE_WORK_H

#include "compute.h"

/* c (+)= a · b. Strides of rows and columns of a and b in floats; columns of c stand side by side. */
typedef struct {
  int32_t rows, columns, inner;
  int32_t a_at, a_row, a_column, b_at, b_row, b_column, c_at, c_row, adds;
  const float *a, *b;
  float *c;
} product_work;

/* Images of a convolution or pooling. pad: above and on the left. */
typedef struct {
  int32_t images, channels, height, width;
  int32_t out_channels, out_height, out_width;
  int32_t kernel_height, kernel_width, stride_y, stride_x, pad_y, pad_x, dilation_y, dilation_x;
  int32_t groups;
} window;

#define WINDOW_WORDS 16u

/*
 * y = x ∗ w + bias; x += y ∗ w turned; w = Σ x · y. `bias_at` −1: none. `parts_at` (w alone): room for `parts`
 * copies of w, which images are shared out to, or −1 with one part.
 */
typedef struct {
  window of;
  int32_t x_at, w_at, y_at, bias_at, parts_at, parts;
  const float *bias;
  float *x, *w, *y, *sums;
  uint32_t chunk; /* images of a task */
} conv_work;

/* `index_at`: of maxima, which input each was. Means: `counts_pad` 1 if padding counts as zeros. */
typedef struct {
  window of;
  int32_t x_at, y_at, index_at, counts_pad;
  float *x, *y;
  int32_t *index;
} pool_work;

/* y = x above 0, slope · x below; back: x (+)= y where `sign` is above 0, else slope · y. */
typedef struct {
  int32_t count, x_at, y_at, sign_at, adds;
  float slope;
  float *x, *y;
  const float *sign;
} rectify_work;

/*
 * Norm over images and places of each channel. `mean_at`, `spread_at`: mean and 1/√(variance + ε) of the batch,
 * kept for the way back. `running_at`: running mean, then variance, each of `channels`; −1 for none.
 * Back: x becomes the gradient of x, `scale_back_at` that of the scale, then of the bias.
 */
typedef struct {
  int32_t images, channels, places;
  int32_t x_at, y_at, scale_at, bias_at, mean_at, spread_at, running_at, scale_back_at, dx_at;
  float epsilon, momentum;
  const float *scale, *bias;
  float *x, *y, *mean, *spread, *running, *scale_back, *dx;
} norm_work;

/* y = a·x + b·y, without looking at what is taken 0 times; multiply: y = x·z + b·y. */
typedef struct {
  int32_t count, x_at, y_at, z_at;
  float a, b;
  const float *x, *z;
  float *y;
} sum_work;

/* x[row][channel][place] += bias[channel]; back: bias = Σ x. */
typedef struct {
  int32_t rows, channels, places, x_at, bias_at;
  float *x, *bias;
} bias_work;

/* w −= rate · step, as PyTorch's SGD. `buffer_at` −1 without momentum; `is_first`: the buffer holds nothing yet. */
typedef struct {
  int32_t count, w_at, g_at, buffer_at, is_nesterov, is_first;
  float rate, momentum, dampening, decay;
  float *w, *buffer;
  const float *g;
} sgd_work;

/*
 * Adam as PyTorch's: `step_size` = rate / (1 − β₁ᵗ), `root` = √(1 − β₂ᵗ). `shrinks`: decay is taken off the weights
 * by itself (AdamW), else it is part of the gradient.
 */
typedef struct {
  int32_t count, w_at, g_at, first_at, second_at, shrinks;
  float rate, beta1, beta2, epsilon, decay, step_size, root;
  float *w, *first, *second;
  const float *g;
} adam_work;

/* Floats that one task of an elementwise operation does. */
#define COMPUTE_RUN 16384u

/* Loops of one instruction set. */
typedef struct {
  compute_task *product, *conv, *conv_input, *conv_weight, *conv_parts, *max_pool, *max_pool_back,
      *mean_pool, *mean_pool_back, *rectify, *rectify_back, *norm, *norm_back, *norm_fixed, *sum,
      *multiply, *bias, *bias_back, *sgd, *adam;
} compute_loops;

static inline uint32_t least_of(uint32_t a, uint32_t b) { return a < b ? a : b; }
static inline uint32_t parts_of(uint64_t whole, uint32_t part) {
  return (uint32_t)((whole + part - 1) / part);
}

/* Tasks of an operation on rows and columns of blocks. */
static inline uint32_t block_rows(uint32_t rows) { return parts_of(rows, COMPUTE_ROWS); }
static inline uint32_t block_columns(uint32_t columns) {
  return parts_of(columns, COMPUTE_COLUMNS);
}

#endif
