#include "compute.h"

#include <string.h>

#include "compute_work.h"
#include "dispatch.h"
#include "kernel.h"

extern const compute_loops compute_portable_loops;
#ifdef DLV_X86
extern const compute_loops compute_avx2_loops, compute_avx512_loops;
#endif

static const compute_loops *loops_here(void) {
#ifdef DLV_X86
  if (dlv_has_avx512()) return &compute_avx512_loops;
  if (dlv_has_avx2() && __builtin_cpu_supports("fma")) return &compute_avx2_loops;
#endif
  return &compute_portable_loops;
}

/* Sizes of images, windows and lists; their products stay far below 2^63. */
#define SIZE_MAX_HERE (1 << 28)

typedef struct {
  float *arena;
  int64_t floats;
  const compute_team *team;
  const compute_loops *loops;
} machine;

static int within(const machine *m, int64_t at, int64_t count) {
  return at >= 0 && count > 0 && count <= m->floats && at <= m->floats - count;
}

static int is_size(int32_t size) { return size > 0 && size <= SIZE_MAX_HERE; }

/* More than any arena has. */
#define FAR ((int64_t)1 << 60)

/* a · b of numbers from 0, or FAR. */
static int64_t times(int64_t a, int64_t b) { return b > 0 && a > FAR / b ? FAR : a * b; }

static int64_t times3(int64_t a, int64_t b, int64_t c) { return times(times(a, b), c); }

static int run(const machine *m, int64_t count, compute_task *task, const void *work) {
  if (count > 0) m->team->each(m->team->state, (uint32_t)count, task, work);
  return DLV_OK;
}

static int run_all(const machine *m, int64_t count, compute_task *task, const void *work) {
  return run(m, parts_of((uint64_t)count, COMPUTE_RUN), task, work);
}

static int64_t reach(int32_t rows, int32_t row, int32_t columns, int32_t column) {
  return times(rows - 1, row) + times(columns - 1, column) + 1;
}

static int product(const machine *m, const int32_t *words) {
  product_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 12 * sizeof *words);
  const int is_sized = is_size(w.rows) && is_size(w.columns) && is_size(w.inner);
  const int is_strided = w.a_row >= 0 && w.a_column >= 0 && w.b_row >= 0 && w.b_column >= 0;
  /* One product summed up many times is no use to anyone, and the arena would not bound how often. */
  const int moves = w.inner == 1 || w.a_column > 0 || w.b_row > 0;
  if (!is_sized || !is_strided || !moves || w.c_row < w.columns) return DLV_ERR_ARGUMENT;
  if (!within(m, w.a_at, reach(w.rows, w.a_row, w.inner, w.a_column)) ||
      !within(m, w.b_at, reach(w.inner, w.b_row, w.columns, w.b_column)) ||
      !within(m, w.c_at, reach(w.rows, w.c_row, w.columns, 1))) {
    return DLV_ERR_ARGUMENT;
  }
  w.a = m->arena + w.a_at;
  w.b = m->arena + w.b_at;
  w.c = m->arena + w.c_at;
  const int64_t blocks = times(block_rows((uint32_t)w.rows), block_columns((uint32_t)w.columns));
  return blocks > INT32_MAX ? DLV_ERR_ARGUMENT : run(m, blocks, m->loops->product, &w);
}

/* A side of a window: the last place that the output looks at must be one of the padded input's. */
static int is_side(int32_t size, int32_t out, int32_t kernel, int32_t stride, int32_t pad,
                   int32_t dilation) {
  const int is_sized = is_size(size) && is_size(out) && is_size(kernel) && is_size(stride) &&
                       is_size(dilation) && pad >= 0 && pad <= SIZE_MAX_HERE;
  /* Windows may hang over the end, where the input counts as 0, but places are told in 31 bits. */
  return is_sized && times(out, stride) + times(kernel, dilation) + pad < INT32_MAX / 2;
}

static int is_window(const window *w) {
  const int is_sized =
      is_size(w->images) && is_size(w->channels) && is_size(w->out_channels) && is_size(w->groups);
  return is_sized && w->channels % w->groups == 0 && w->out_channels % w->groups == 0 &&
         is_side(w->height, w->out_height, w->kernel_height, w->stride_y, w->pad_y,
                 w->dilation_y) &&
         is_side(w->width, w->out_width, w->kernel_width, w->stride_x, w->pad_x, w->dilation_x) &&
         times(w->height, w->width) <= SIZE_MAX_HERE &&
         times(w->out_height, w->out_width) <= SIZE_MAX_HERE;
}

static int64_t inputs_of(const window *w) {
  return times(times(w->images, w->channels), times(w->height, w->width));
}

static int64_t outputs_of(const window *w) {
  return times(times(w->images, w->out_channels), times(w->out_height, w->out_width));
}

static int64_t weights_of(const window *w) {
  return times3(w->out_channels, w->channels / w->groups, times(w->kernel_height, w->kernel_width));
}

/* Images of a task: as many as fill a block with their places. */
static uint32_t chunk_of(const window *w) {
  const uint32_t places = (uint32_t)w->out_height * (uint32_t)w->out_width;
  return places >= COMPUTE_COLUMNS ? 1 : least_of((uint32_t)w->images, COMPUTE_COLUMNS / places);
}

static int conv(const machine *m, int32_t operation, const int32_t *words) {
  conv_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 22 * sizeof *words);
  if (!is_window(&w.of)) return DLV_ERR_ARGUMENT;
  const int64_t weights = weights_of(&w.of);
  if (!within(m, w.x_at, inputs_of(&w.of)) || !within(m, w.y_at, outputs_of(&w.of)) ||
      !within(m, w.w_at, weights)) {
    return DLV_ERR_ARGUMENT;
  }
  if (w.bias_at != -1 && !within(m, w.bias_at, w.of.out_channels)) return DLV_ERR_ARGUMENT;
  w.x = m->arena + w.x_at;
  w.w = m->arena + w.w_at;
  w.y = m->arena + w.y_at;
  if (w.bias_at != -1) w.bias = m->arena + w.bias_at;
  w.chunk = chunk_of(&w.of);
  if (operation == COMPUTE_CONV || operation == COMPUTE_CONV_INPUT) {
    const int64_t tasks = times(parts_of((uint64_t)w.of.images, w.chunk), w.of.groups);
    if (tasks > INT32_MAX) return DLV_ERR_ARGUMENT;
    return run(m, tasks, operation == COMPUTE_CONV ? m->loops->conv : m->loops->conv_input, &w);
  }
  if (w.parts < 1 || w.parts > w.of.images || (w.parts == 1) != (w.parts_at == -1)) {
    return DLV_ERR_ARGUMENT;
  }
  if (w.parts > 1) {
    if (!within(m, w.parts_at, times(w.parts, weights))) return DLV_ERR_ARGUMENT;
    w.sums = m->arena + w.parts_at;
  }
  const uint32_t taps = (uint32_t)(weights / w.of.out_channels);
  const int64_t tasks = times3(block_rows(taps), w.parts, w.of.groups);
  if (tasks > INT32_MAX) return DLV_ERR_ARGUMENT;
  run(m, tasks, m->loops->conv_weight, &w);
  return w.parts > 1 ? run_all(m, weights, m->loops->conv_parts, &w) : DLV_OK;
}

static int pool(const machine *m, int32_t operation, const int32_t *words) {
  pool_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 20 * sizeof *words);
  if (!is_window(&w.of) || w.of.channels != w.of.out_channels) return DLV_ERR_ARGUMENT;
  const int64_t outputs = outputs_of(&w.of), planes = times(w.of.images, w.of.channels);
  if (!within(m, w.x_at, inputs_of(&w.of)) || !within(m, w.y_at, outputs)) return DLV_ERR_ARGUMENT;
  const int is_max = operation == COMPUTE_MAX_POOL || operation == COMPUTE_MAX_POOL_BACK;
  if (is_max && !within(m, w.index_at, outputs)) return DLV_ERR_ARGUMENT;
  w.x = m->arena + w.x_at;
  w.y = m->arena + w.y_at;
  if (is_max) w.index = (int32_t *)(m->arena + w.index_at);
  const compute_loops *loops = m->loops;
  compute_task *const tasks[] = {loops->max_pool, loops->max_pool_back, loops->mean_pool,
                                 loops->mean_pool_back};
  return run(m, planes, tasks[operation - COMPUTE_MAX_POOL], &w);
}

static int rectify(const machine *m, int32_t operation, const int32_t *words) {
  rectify_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 6 * sizeof *words);
  const int is_back = operation == COMPUTE_RECTIFY_BACK;
  if (!within(m, w.x_at, w.count) || !within(m, w.y_at, w.count)) return DLV_ERR_ARGUMENT;
  if (is_back && !within(m, w.sign_at, w.count)) return DLV_ERR_ARGUMENT;
  w.x = m->arena + w.x_at;
  w.y = m->arena + w.y_at;
  if (is_back) w.sign = m->arena + w.sign_at;
  return run_all(m, w.count, is_back ? m->loops->rectify_back : m->loops->rectify, &w);
}

static int norm(const machine *m, int32_t operation, const int32_t *words) {
  norm_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 14 * sizeof *words);
  if (!is_size(w.images) || !is_size(w.channels) || !is_size(w.places)) return DLV_ERR_ARGUMENT;
  const int64_t all = times3(w.images, w.channels, w.places);
  const int has_statistics = operation != COMPUTE_NORM_FIXED;
  const int has_running = w.running_at != -1 || operation == COMPUTE_NORM_FIXED;
  const int is_back = operation == COMPUTE_NORM_BACK;
  if (!within(m, w.x_at, all) || !within(m, w.y_at, all) || !within(m, w.scale_at, w.channels) ||
      !within(m, w.bias_at, w.channels) ||
      (has_statistics &&
       (!within(m, w.mean_at, w.channels) || !within(m, w.spread_at, w.channels))) ||
      (has_running && !within(m, w.running_at, times(2, w.channels))) ||
      (is_back && !within(m, w.scale_back_at, times(2, w.channels))) ||
      (is_back && w.dx_at != -1 && !within(m, w.dx_at, all))) {
    return DLV_ERR_ARGUMENT;
  }
  w.x = m->arena + w.x_at;
  w.y = m->arena + w.y_at;
  w.scale = m->arena + w.scale_at;
  w.bias = m->arena + w.bias_at;
  w.mean = has_statistics ? m->arena + w.mean_at : NULL;
  w.spread = has_statistics ? m->arena + w.spread_at : NULL;
  w.running = has_running ? m->arena + w.running_at : NULL;
  w.scale_back = is_back ? m->arena + w.scale_back_at : NULL;
  w.dx = is_back && w.dx_at != -1 ? m->arena + w.dx_at : NULL;
  compute_task *const tasks[] = {m->loops->norm, m->loops->norm_back, m->loops->norm_fixed};
  return run(m, w.channels, tasks[operation - COMPUTE_NORM], &w);
}

static int sum(const machine *m, int32_t operation, const int32_t *words) {
  sum_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 6 * sizeof *words);
  const int multiplies = operation == COMPUTE_MULTIPLY;
  if (!within(m, w.x_at, w.count) || !within(m, w.y_at, w.count)) return DLV_ERR_ARGUMENT;
  if (multiplies && !within(m, w.z_at, w.count)) return DLV_ERR_ARGUMENT;
  w.x = m->arena + w.x_at;
  w.y = m->arena + w.y_at;
  if (multiplies) w.z = m->arena + w.z_at;
  return run_all(m, w.count, multiplies ? m->loops->multiply : m->loops->sum, &w);
}

static int bias(const machine *m, int32_t operation, const int32_t *words) {
  bias_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 5 * sizeof *words);
  if (!is_size(w.rows) || !is_size(w.channels) || !is_size(w.places)) return DLV_ERR_ARGUMENT;
  if (!within(m, w.x_at, times3(w.rows, w.channels, w.places)) ||
      !within(m, w.bias_at, w.channels)) {
    return DLV_ERR_ARGUMENT;
  }
  w.x = m->arena + w.x_at;
  w.bias = m->arena + w.bias_at;
  if (operation == COMPUTE_BIAS) return run(m, w.rows, m->loops->bias, &w);
  return run(m, w.channels, m->loops->bias_back, &w);
}

static int sgd(const machine *m, const int32_t *words) {
  sgd_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 10 * sizeof *words);
  if (!within(m, w.w_at, w.count) || !within(m, w.g_at, w.count)) return DLV_ERR_ARGUMENT;
  if (w.buffer_at != -1 && !within(m, w.buffer_at, w.count)) return DLV_ERR_ARGUMENT;
  w.w = m->arena + w.w_at;
  w.g = m->arena + w.g_at;
  if (w.buffer_at != -1) w.buffer = m->arena + w.buffer_at;
  return run_all(m, w.count, m->loops->sgd, &w);
}

static int adam(const machine *m, const int32_t *words) {
  adam_work w;
  memset(&w, 0, sizeof w);
  memcpy(&w, words, 13 * sizeof *words);
  if (!within(m, w.w_at, w.count) || !within(m, w.g_at, w.count) ||
      !within(m, w.first_at, w.count) || !within(m, w.second_at, w.count)) {
    return DLV_ERR_ARGUMENT;
  }
  w.w = m->arena + w.w_at;
  w.g = m->arena + w.g_at;
  w.first = m->arena + w.first_at;
  w.second = m->arena + w.second_at;
  return run_all(m, w.count, m->loops->adam, &w);
}

static int carry_out(const machine *m, int32_t operation, const int32_t *words) {
  switch (operation) {
    case COMPUTE_PRODUCT: return product(m, words);
    case COMPUTE_CONV:
    case COMPUTE_CONV_INPUT:
    case COMPUTE_CONV_WEIGHT: return conv(m, operation, words);
    case COMPUTE_MAX_POOL:
    case COMPUTE_MAX_POOL_BACK:
    case COMPUTE_MEAN_POOL:
    case COMPUTE_MEAN_POOL_BACK: return pool(m, operation, words);
    case COMPUTE_RECTIFY:
    case COMPUTE_RECTIFY_BACK: return rectify(m, operation, words);
    case COMPUTE_NORM:
    case COMPUTE_NORM_BACK:
    case COMPUTE_NORM_FIXED: return norm(m, operation, words);
    case COMPUTE_SUM:
    case COMPUTE_MULTIPLY: return sum(m, operation, words);
    case COMPUTE_BIAS:
    case COMPUTE_BIAS_BACK: return bias(m, operation, words);
    case COMPUTE_SGD: return sgd(m, words);
    default: return adam(m, words);
  }
}

int dlv_compute(float *arena, size_t floats, const int32_t *program, size_t words,
                const compute_team *team) {
  /* Words of each operation behind its number. */
  static const uint8_t ARGUMENTS[COMPUTE_OPERATIONS] = {12, 22, 22, 22, 20, 20, 20, 20, 6, 6,
                                                        14, 14, 14, 6,  6,  5,  5,  10, 13};
  const machine m = {arena, floats > SIZE_MAX_HERE ? SIZE_MAX_HERE : (int64_t)floats, team,
                     loops_here()};
  for (size_t at = 0; at < words;) {
    const int32_t operation = program[at++];
    if (operation < 0 || operation >= COMPUTE_OPERATIONS) return DLV_ERR_ARGUMENT;
    if (words - at < ARGUMENTS[operation]) return DLV_ERR_ARGUMENT;
    const int failed = carry_out(&m, operation, program + at);
    if (failed) return failed;
    at += ARGUMENTS[operation];
  }
  return DLV_OK;
}
