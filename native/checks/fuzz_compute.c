/*
 * Fuzzes the arithmetic of training under sanitizers: operations of random shapes, strides, groups and padding in an
 * arena of exactly the size that they want, on numbers among which are NaN, infinities, denormals and zeros. Products,
 * convolutions and pooling of plain numbers are compared with the definition, written here as loops without blocks.
 * An operation that runs longer than SECONDS_MAX ends the program.
 */
#include "fuzz_compute.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compute.h"
#include "compute_work.h"
#include "kernel.h"

#define SECONDS_MAX 60u
#define FLOATS_MAX 200000

static uint32_t (*draw)(uint32_t);

/* Tasks from the last to the first, each with scratch of its own that holds NaN. */
static void each(void *state, uint32_t count, compute_task *task, const void *work) {
  const size_t bytes = COMPUTE_SCRATCH_FLOATS * sizeof(float);
  (void)state;
  for (uint32_t i = count; i > 0; i--) {
    float *scratch = malloc(bytes);
    memset(scratch, 0xff, bytes);
    task(work, i - 1, scratch);
    free(scratch);
  }
}

static const compute_team TEAM = {each, NULL};

/* 1 often, else up to `most`. */
static int32_t size(uint32_t most) { return draw(4) ? 1 + (int32_t)draw(most) : 1; }

static float plain(void) { return ((float)draw(2001) - 1000) / 1000; }

static float special(void) {
  static const float SPECIAL[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-42f, 3e38f, -3e38f};
  return draw(3) ? plain() : SPECIAL[draw(8)];
}

/* An arena of exactly `floats`, so that the sanitizer sees every step beyond its end. */
static float *arena_of(int64_t floats, int is_plain) {
  float *arena = malloc((size_t)floats * sizeof(float));
  for (int64_t i = 0; i < floats; i++) arena[i] = is_plain ? plain() : special();
  return arena;
}

static int32_t word_of(float value) {
  int32_t word;
  memcpy(&word, &value, sizeof word);
  return word;
}

static void too_long(int number) {
  static const char MESSAGE[] = "an operation runs longer than it may\n";
  (void)number;
  if (write(STDERR_FILENO, MESSAGE, sizeof MESSAGE - 1) < 0) _exit(2);
  _exit(1);
}

static int compute(float *arena, int64_t floats, int32_t operation, const int32_t *words,
                   size_t count) {
  int32_t *program = malloc((count + 1) * sizeof *program);
  program[0] = operation;
  memcpy(program + 1, words, count * sizeof *program);
  signal(SIGALRM, too_long);
  alarm(SECONDS_MAX);
  const int result = dlv_compute(arena, (size_t)floats, program, count + 1, &TEAM);
  alarm(0);
  free(program);
  return result;
}

/* The same with some words changed: refused, or carried out within the arena. */
static int spoiled(float *arena, int64_t floats, int32_t operation, const int32_t *words,
                   size_t count) {
  static const int32_t EDGES[] = {-1, 0, 1, 2, 1 << 28, INT32_MAX, INT32_MIN, 1 << 14};
  int32_t changed[22];
  for (int i = 0; i < 6; i++) {
    memcpy(changed, words, count * sizeof *words);
    for (uint32_t n = 1 + draw(2); n > 0; n--) {
      int32_t *word = changed + draw((uint32_t)count);
      *word = draw(2) ? EDGES[draw(8)] : (int32_t)((uint32_t)*word + draw(9) - 4);
    }
    const int result = compute(arena, floats, operation, changed, count);
    if (result != DLV_OK && result != DLV_ERR_ARGUMENT) return 1;
  }
  return 0;
}

static int differs(const char *what, const float *found, const double *wanted, int64_t count,
                   int64_t terms) {
  for (int64_t i = 0; i < count; i++) {
    if (fabs(found[i] - wanted[i]) <= 1e-6 * (double)(terms + 8)) continue;
    fprintf(stderr, "%s: number %lld is %g, not %g\n", what, (long long)i, found[i], wanted[i]);
    return 1;
  }
  return 0;
}

static int product(void) {
  const int32_t rows = size(230), columns = size(300), inner = size(600);
  const int turned_a = (int)draw(2), turned_b = (int)draw(2), adds = (int)draw(2);
  const int32_t gap = (int32_t)draw(3), c_row = columns + (int32_t)draw(3);
  const int32_t a_row = turned_a ? 1 : inner + gap, a_column = turned_a ? rows + gap : 1;
  const int32_t b_row = turned_b ? 1 : columns + gap, b_column = turned_b ? inner + gap : 1;
  const int32_t a = (rows - 1) * a_row + (inner - 1) * a_column + 1;
  const int32_t b = (inner - 1) * b_row + (columns - 1) * b_column + 1;
  const int32_t c = (rows - 1) * c_row + columns;
  const int64_t floats = (int64_t)a + b + c;
  const int is_plain = draw(3) > 0;
  if (floats > FLOATS_MAX) return 0;
  float *arena = arena_of(floats, is_plain);
  double *wanted = malloc((size_t)c * sizeof *wanted);
  for (int32_t i = 0; i < c; i++) wanted[i] = arena[a + b + i];
  for (int32_t i = 0; i < rows; i++) {
    for (int32_t j = 0; j < columns; j++) {
      double sum = adds ? wanted[i * c_row + j] : 0;
      for (int32_t k = 0; k < inner; k++) {
        sum += (double)arena[i * a_row + k * a_column] * arena[a + k * b_row + j * b_column];
      }
      wanted[i * c_row + j] = sum;
    }
  }
  const int32_t words[] = {rows, columns, inner,    0,     a_row, a_column,
                           a,    b_row,   b_column, a + b, c_row, adds};
  int failed = compute(arena, floats, COMPUTE_PRODUCT, words, 12) != DLV_OK;
  if (!failed && is_plain) failed = differs("product", arena + a + b, wanted, c, inner);
  if (!failed) failed = spoiled(arena, floats, COMPUTE_PRODUCT, words, 12);
  free(wanted);
  free(arena);
  return failed;
}

/* A side of a window of random kernel, stride, padding and dilation, and as many outputs as fit, or a few more. */
static void side(int32_t *in, int32_t *out, int32_t *kernel, int32_t *stride, int32_t *pad,
                 int32_t *dilation) {
  *in = size(20);
  *kernel = size(6);
  *stride = size(4);
  *pad = (int32_t)draw(5);
  *dilation = size(3);
  const int32_t room = *in + 2 * *pad - (*kernel - 1) * *dilation - 1;
  *out = (room < 0 ? 0 : room / *stride) + 1 + (draw(4) ? 0 : (int32_t)draw(2));
}

static window random_window(void) {
  window w = {0};
  w.images = size(9);
  w.groups = size(3);
  w.channels = w.groups * size(8);
  w.out_channels = w.groups * size(draw(6) ? 12 : 110);
  side(&w.height, &w.out_height, &w.kernel_height, &w.stride_y, &w.pad_y, &w.dilation_y);
  side(&w.width, &w.out_width, &w.kernel_width, &w.stride_x, &w.pad_x, &w.dilation_x);
  return w;
}

/* The place of the input that a tap of an output looks at; −1 in the padding. */
static int64_t place_of(const window *w, int32_t row, int32_t column, int32_t i, int32_t j) {
  const int32_t y = row * w->stride_y - w->pad_y + i * w->dilation_y;
  const int32_t x = column * w->stride_x - w->pad_x + j * w->dilation_x;
  return y < 0 || x < 0 || y >= w->height || x >= w->width ? -1 : (int64_t)y * w->width + x;
}

/* By definition: every product of an input, a weight and an output is added to the third of them. */
static void define_conv(const window *w, int32_t operation, const float *x, const float *k,
                        const float *y, double *wanted) {
  const int32_t channels = w->channels / w->groups, out = w->out_channels / w->groups;
  const int64_t plane = (int64_t)w->height * w->width;
  const int64_t places = (int64_t)w->out_height * w->out_width;
  const int64_t window_size = (int64_t)w->kernel_height * w->kernel_width;
  for (int32_t n = 0; n < w->images; n++) {
    for (int32_t o = 0; o < w->out_channels; o++) {
      for (int64_t p = 0; p < places; p++) {
        for (int64_t t = 0; t < channels * window_size; t++) {
          const int32_t i = (int32_t)(t % window_size / w->kernel_width);
          const int32_t j = (int32_t)(t % w->kernel_width);
          const int64_t place =
              place_of(w, (int32_t)(p / w->out_width), (int32_t)(p % w->out_width), i, j);
          if (place < 0) continue;
          const int64_t channel = (int64_t)(o / out) * channels + t / window_size;
          const int64_t at_x = ((int64_t)n * w->channels + channel) * plane + place;
          const int64_t at_k = (int64_t)o * channels * window_size + t;
          const int64_t at_y = ((int64_t)n * w->out_channels + o) * places + p;
          if (operation == COMPUTE_CONV) wanted[at_y] += (double)x[at_x] * k[at_k];
          else if (operation == COMPUTE_CONV_INPUT) wanted[at_x] += (double)y[at_y] * k[at_k];
          else wanted[at_k] += (double)x[at_x] * y[at_y];
        }
      }
    }
  }
}

static int conv(void) {
  const window w = random_window();
  const int32_t operation = COMPUTE_CONV + (int32_t)draw(3);
  const int64_t x = (int64_t)w.images * w.channels * w.height * w.width;
  const int64_t y = (int64_t)w.images * w.out_channels * w.out_height * w.out_width;
  const int64_t taps = (int64_t)(w.channels / w.groups) * w.kernel_height * w.kernel_width;
  const int64_t k = w.out_channels * taps;
  const int has_bias = (int)draw(2);
  const int32_t parts =
      operation == COMPUTE_CONV_WEIGHT ? 1 + (int32_t)draw((uint32_t)w.images) : 1;
  const int64_t floats = x + y + k + (has_bias ? w.out_channels : 0) + (parts > 1 ? parts * k : 0);
  if (floats > FLOATS_MAX || y * taps > 20000000) return 0;
  const int is_plain = draw(3) > 0;
  float *arena = arena_of(floats, is_plain);
  const float *at_y = arena + x, *at_k = arena + x + y, *bias = at_k + k;
  const int64_t count = operation == COMPUTE_CONV ? y : operation == COMPUTE_CONV_INPUT ? x : k;
  const int64_t from = operation == COMPUTE_CONV ? x : operation == COMPUTE_CONV_INPUT ? 0 : x + y;
  double *wanted = calloc((size_t)count, sizeof *wanted);
  const int64_t places = (int64_t)w.out_height * w.out_width;
  for (int64_t i = 0; i < count; i++) {
    if (operation == COMPUTE_CONV_INPUT) wanted[i] = arena[i];
    if (operation == COMPUTE_CONV && has_bias) wanted[i] = bias[i / places % w.out_channels];
  }
  define_conv(&w, operation, arena, at_k, at_y, wanted);
  int32_t words[22];
  memcpy(words, &w, WINDOW_WORDS * sizeof *words);
  words[16] = 0;
  words[17] = (int32_t)(x + y);
  words[18] = (int32_t)x;
  words[19] = has_bias ? (int32_t)(x + y + k) : -1;
  words[20] = parts > 1 ? (int32_t)(floats - parts * k) : -1;
  words[21] = parts;
  int failed = compute(arena, floats, operation, words, 22) != DLV_OK;
  const int64_t terms = taps + y / (w.out_channels > 0 ? w.out_channels : 1);
  if (!failed && is_plain) failed = differs("conv", arena + from, wanted, count, terms);
  if (!failed) failed = spoiled(arena, floats, operation, words, 22);
  free(wanted);
  free(arena);
  return failed;
}

static int pool(void) {
  window w = random_window();
  const int is_max = (int)draw(2), is_plain = draw(3) > 0, is_long = draw(8) == 0;
  w.out_channels = w.channels;
  w.groups = 1;
  if (!is_max) w.dilation_y = w.dilation_x = 1;
  if (is_long) {
    /* A window far longer than what it looks at takes no longer than that. */
    w.kernel_height = w.kernel_width = 1 << 28;
    w.dilation_y = w.dilation_x = 1;
  }
  const int64_t x = (int64_t)w.images * w.channels * w.height * w.width;
  const int64_t y = (int64_t)w.images * w.channels * w.out_height * w.out_width;
  const int64_t floats = x + 2 * y;
  if (floats > FLOATS_MAX) return 0;
  float *arena = arena_of(floats, is_plain);
  int32_t words[20];
  memcpy(words, &w, WINDOW_WORDS * sizeof *words);
  words[16] = 0;
  words[17] = (int32_t)x;
  words[18] = is_max ? (int32_t)(x + y) : 0;
  words[19] = (int32_t)draw(2);
  if (!is_max) words[18] = words[19];
  const int32_t forward = is_max ? COMPUTE_MAX_POOL : COMPUTE_MEAN_POOL;
  int failed = compute(arena, floats, forward, words, 20) != DLV_OK;
  const int64_t plane = (int64_t)w.height * w.width;
  const int64_t places = (int64_t)w.out_height * w.out_width;
  for (int64_t at = 0; at < y && !failed && is_max && is_plain && !is_long; at++) {
    double most = -INFINITY;
    for (int32_t i = 0; i < w.kernel_height; i++) {
      for (int32_t j = 0; j < w.kernel_width; j++) {
        const int64_t place =
            place_of(&w, (int32_t)(at % places / w.out_width), (int32_t)(at % w.out_width), i, j);
        if (place >= 0) most = fmax(most, arena[at / places * plane + place]);
      }
    }
    if (most == -INFINITY) most = 0;
    failed = differs("pool", arena + x + at, &most, 1, 0);
  }
  /* Places that are remembered may be any numbers. */
  if (is_max && draw(2)) {
    for (int64_t i = x + y; i < floats; i++) arena[i] = special();
  }
  if (!failed) failed = compute(arena, floats, forward + 1, words, 20) != DLV_OK;
  if (!failed) failed = spoiled(arena, floats, forward + (int32_t)draw(2), words, 20);
  free(arena);
  return failed;
}

/* Elementwise operations, norms, biases, updates: all of one arena, side by side. */
static int lists(void) {
  const int32_t images = size(5), channels = size(9), places = size(40);
  const int32_t all = images * channels * places, n = draw(8) ? size(100) : 16384 + size(20000);
  const int32_t floats = 4 * n > 3 * all + 8 * channels ? 4 * n : 3 * all + 8 * channels;
  const int32_t at = 3 * all, f = word_of(special()), g = word_of(plain());
  const int32_t running = draw(2) ? at + 4 * channels : -1;
  float *arena = arena_of(floats, (int)draw(2));
  const int32_t norm[] = {images,
                          channels,
                          places,
                          0,
                          all,
                          at,
                          at + channels,
                          at + 2 * channels,
                          at + 3 * channels,
                          running,
                          at + 6 * channels,
                          draw(2) ? 2 * all : -1,
                          word_of(1e-5f),
                          g};
  int32_t fixed[14];
  memcpy(fixed, norm, sizeof fixed);
  fixed[9] = at + 4 * channels;
  const int32_t rectify[] = {n, 0, n, 2 * n, (int32_t)draw(2), f};
  const int32_t sum[] = {n, 0, n, 2 * n, draw(2) ? f : 0, draw(2) ? g : 0};
  const int32_t bias[] = {images, channels, places, 0, at};
  const int32_t sgd[] = {n, 0, n, draw(2) ? 2 * n : -1, (int32_t)draw(2), (int32_t)draw(2), f,
                         g, g, g};
  const int32_t adam[] = {n, 0, n, 2 * n, 3 * n, (int32_t)draw(2), f, g, g, g, g, g, g};
  const int failed = compute(arena, floats, COMPUTE_NORM, norm, 14) ||
                     compute(arena, floats, COMPUTE_NORM_BACK, norm, 14) ||
                     compute(arena, floats, COMPUTE_NORM_FIXED, fixed, 14) ||
                     compute(arena, floats, COMPUTE_RECTIFY, rectify, 6) ||
                     compute(arena, floats, COMPUTE_RECTIFY_BACK, rectify, 6) ||
                     compute(arena, floats, COMPUTE_SUM, sum, 6) ||
                     compute(arena, floats, COMPUTE_MULTIPLY, sum, 6) ||
                     compute(arena, floats, COMPUTE_BIAS, bias, 5) ||
                     compute(arena, floats, COMPUTE_BIAS_BACK, bias, 5) ||
                     compute(arena, floats, COMPUTE_SGD, sgd, 10) ||
                     compute(arena, floats, COMPUTE_ADAM, adam, 13) ||
                     spoiled(arena, floats, COMPUTE_NORM + (int32_t)draw(3), norm, 14) ||
                     spoiled(arena, floats, COMPUTE_RECTIFY + (int32_t)draw(2), rectify, 6) ||
                     spoiled(arena, floats, COMPUTE_SUM + (int32_t)draw(2), sum, 6) ||
                     spoiled(arena, floats, COMPUTE_BIAS + (int32_t)draw(2), bias, 5) ||
                     spoiled(arena, floats, COMPUTE_SGD, sgd, 10) ||
                     spoiled(arena, floats, COMPUTE_ADAM, adam, 13);
  free(arena);
  return failed;
}

/* Any words: refused, or carried out within the arena. */
static int wild(void) {
  static const int32_t EDGES[] = {-1, 0, 1, 2, 511, 512, 1 << 28, INT32_MAX, INT32_MIN, 1 << 14};
  int32_t words[22];
  float *arena = arena_of(512, 0);
  for (int i = 0; i < 22; i++)
    words[i] = draw(12) ? (int32_t)draw(draw(2) ? 3 : 12) : EDGES[draw(10)];
  const int result =
      compute(arena, 512, (int32_t)draw(COMPUTE_OPERATIONS + 1), words, draw(2) ? 22 : draw(23));
  free(arena);
  return result != DLV_OK && result != DLV_ERR_ARGUMENT;
}

/* A product whose inner steps stay where they are: refused, unless there is one step only. */
static int still(void) {
  float *arena = arena_of(3, 1);
  const int32_t many[] = {1, 1, 1 << 28, 0, 0, 0, 1, 0, 0, 2, 1, 0};
  const int32_t one[] = {1, 1, 1, 0, 0, 0, 1, 0, 0, 2, 1, 0};
  const int failed = compute(arena, 3, COMPUTE_PRODUCT, many, 12) != DLV_ERR_ARGUMENT ||
                     compute(arena, 3, COMPUTE_PRODUCT, one, 12) != DLV_OK;
  free(arena);
  return failed;
}

int fuzz_compute(uint32_t (*below)(uint32_t)) {
  draw = below;
  int failed = still();
  for (int i = 0; i < 40 && !failed; i++) failed = wild();
  return failed || product() || conv() || conv() || pool() || lists();
}
