/*
 * Pooling, norms, activations and updates of weights, written once for each instruction set (compute.c). Sums over
 * many numbers are kept in doubles, or in LAYER_LANES floats whatever the width of vectors is.
 */

/* Taps of a window from `start` on that fall into a side of `size` places: *from … *to − 1, however long the window. */
LOOPS_TARGET static void LOOPS(taps_inside)(int64_t start, int32_t dilation, int32_t kernel,
                                            int32_t size, int32_t *from, int32_t *to) {
  const int64_t step = dilation;
  const int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const int64_t last = size > start ? (size - start + step - 1) / step : 0;
  *to = (int32_t)(last < kernel ? last : kernel);
  *from = (int32_t)(first < *to ? first : *to);
}

LOOPS_TARGET static void LOOPS(max_pool)(const void *work, uint32_t index, float *scratch) {
  const pool_work *w = work;
  const window *of = &w->of;
  const size_t plane = (size_t)of->height * (size_t)of->width;
  const size_t places = (size_t)of->out_height * (size_t)of->out_width;
  const float *x = w->x + index * plane;
  float *y = w->y + index * places;
  int32_t *chosen = w->index + index * places;
  (void)scratch;
  for (int32_t row = 0; row < of->out_height; row++) {
    for (int32_t column = 0; column < of->out_width; column++) {
      const int64_t top = (int64_t)row * of->stride_y - of->pad_y;
      const int64_t left = (int64_t)column * of->stride_x - of->pad_x;
      float most = 0;
      int32_t best = -1, i, last_i, first_j, last_j;
      LOOPS(taps_inside)(top, of->dilation_y, of->kernel_height, of->height, &i, &last_i);
      LOOPS(taps_inside)(left, of->dilation_x, of->kernel_width, of->width, &first_j, &last_j);
      for (; i < last_i; i++) {
        const int64_t at_y = top + (int64_t)i * of->dilation_y;
        for (int32_t j = first_j; j < last_j; j++) {
          const int64_t at_x = left + (int64_t)j * of->dilation_x;
          const int32_t at = (int32_t)(at_y * of->width + at_x);
          /* A NaN is the maximum of whatever it is among. */
          if (best < 0 || x[at] > most || x[at] != x[at]) {
            most = x[at];
            best = at;
          }
        }
      }
      *y++ = most;
      *chosen++ = best;
    }
  }
}

LOOPS_TARGET static void LOOPS(max_pool_back)(const void *work, uint32_t index, float *scratch) {
  const pool_work *w = work;
  const size_t plane = (size_t)w->of.height * (size_t)w->of.width;
  const size_t places = (size_t)w->of.out_height * (size_t)w->of.out_width;
  float *x = w->x + index * plane;
  const float *y = w->y + index * places;
  const int32_t *chosen = w->index + index * places;
  (void)scratch;
  for (size_t i = 0; i < places; i++) {
    if (chosen[i] >= 0 && (size_t)chosen[i] < plane) x[chosen[i]] += y[i];
  }
}

/* Inputs of a window that are counted, and where they begin and end. */
typedef struct {
  int32_t top, bottom, left, right;
  float share;
} LOOPS(extent);

LOOPS_TARGET static LOOPS(extent)
    LOOPS(extent_of)(const pool_work *w, int32_t row, int32_t column) {
  const window *of = &w->of;
  LOOPS(extent) e;
  e.top = row * of->stride_y - of->pad_y;
  e.left = column * of->stride_x - of->pad_x;
  e.bottom = e.top + of->kernel_height;
  e.right = e.left + of->kernel_width;
  /* Padding counts as far as it was asked for, and not where a window hangs over it. */
  const int32_t low = of->height + of->pad_y, far = of->width + of->pad_x;
  const int64_t high = (e.bottom < low ? e.bottom : low) - e.top;
  const int64_t wide = (e.right < far ? e.right : far) - e.left;
  if (e.top < 0) e.top = 0;
  if (e.left < 0) e.left = 0;
  if (e.bottom > of->height) e.bottom = of->height;
  if (e.right > of->width) e.right = of->width;
  const int64_t inside = (int64_t)(e.bottom - e.top) * (e.right - e.left);
  const int64_t counted = w->counts_pad ? high * wide : inside;
  e.share = counted > 0 ? 1.0f / (float)counted : 0;
  return e;
}

LOOPS_TARGET static void LOOPS(mean_pool)(const void *work, uint32_t index, float *scratch) {
  const pool_work *w = work;
  const window *of = &w->of;
  const size_t plane = (size_t)of->height * (size_t)of->width;
  const float *x = w->x + index * plane;
  float *y = w->y + index * (size_t)of->out_height * (size_t)of->out_width;
  (void)scratch;
  for (int32_t row = 0; row < of->out_height; row++) {
    for (int32_t column = 0; column < of->out_width; column++) {
      const LOOPS(extent) e = LOOPS(extent_of)(w, row, column);
      double sum = 0;
      for (int32_t i = e.top; i < e.bottom; i++) {
        for (int32_t j = e.left; j < e.right; j++) sum += x[(size_t)i * (size_t)of->width + j];
      }
      *y++ = (float)sum * e.share;
    }
  }
}

LOOPS_TARGET static void LOOPS(mean_pool_back)(const void *work, uint32_t index, float *scratch) {
  const pool_work *w = work;
  const window *of = &w->of;
  const size_t plane = (size_t)of->height * (size_t)of->width;
  float *x = w->x + index * plane;
  const float *y = w->y + index * (size_t)of->out_height * (size_t)of->out_width;
  (void)scratch;
  for (int32_t row = 0; row < of->out_height; row++) {
    for (int32_t column = 0; column < of->out_width; column++) {
      const LOOPS(extent) e = LOOPS(extent_of)(w, row, column);
      const float each = *y++ * e.share;
      for (int32_t i = e.top; i < e.bottom; i++) {
        for (int32_t j = e.left; j < e.right; j++) x[(size_t)i * (size_t)of->width + j] += each;
      }
    }
  }
}

/* The run of an elementwise operation that a task does. */
#define LAYER_RUN(count)                                                                         \
  const size_t from = (size_t)index * COMPUTE_RUN;                                               \
  const size_t to = (size_t)(count) - from < COMPUTE_RUN ? (size_t)(count) : from + COMPUTE_RUN; \
  (void)scratch

LOOPS_TARGET static void LOOPS(rectify)(const void *work, uint32_t index, float *scratch) {
  const rectify_work *w = work;
  const float *x = w->x;
  float *y = w->y;
  const float slope = w->slope;
  LAYER_RUN(w->count);
  if (slope == 0) {
    for (size_t i = from; i < to; i++) y[i] = x[i] <= 0 ? 0 : x[i];
  } else {
    for (size_t i = from; i < to; i++) y[i] = x[i] <= 0 ? slope * x[i] : x[i];
  }
}

LOOPS_TARGET static void LOOPS(rectify_back)(const void *work, uint32_t index, float *scratch) {
  const rectify_work *w = work;
  float *x = w->x;
  const float *y = w->y, *sign = w->sign;
  const float slope = w->slope;
  LAYER_RUN(w->count);
  for (size_t i = from; i < to; i++) {
    const float below = slope == 0 ? 0 : slope * y[i];
    x[i] = (w->adds ? x[i] : 0) + (sign[i] > 0 ? y[i] : below);
  }
}

#define LAYER_LANES 16u

/* Σ x and Σ x·z of one row of numbers, each in LAYER_LANES sums. */
LOOPS_TARGET static void LOOPS(sums)(const float *x, const float *z, size_t count, double *plain,
                                     double *mixed) {
  double a[LAYER_LANES] = {0}, b[LAYER_LANES] = {0};
  size_t i = 0;
  for (; count - i >= LAYER_LANES; i += LAYER_LANES) {
    for (uint32_t l = 0; l < LAYER_LANES; l++) {
      a[l] += x[i + l];
      b[l] += (double)x[i + l] * z[i + l];
    }
  }
  for (uint32_t l = 0; i < count; i++, l++) {
    a[l] += x[i];
    b[l] += (double)x[i] * z[i];
  }
  for (uint32_t l = 0; l < LAYER_LANES; l++) {
    *plain += a[l];
    *mixed += b[l];
  }
}

/* A task is a channel. */
LOOPS_TARGET static void LOOPS(norm)(const void *work, uint32_t index, float *scratch) {
  const norm_work *w = work;
  const size_t places = (size_t)w->places, step = places * (size_t)w->channels;
  const double count = (double)w->images * w->places;
  double sum = 0, squares = 0;
  (void)scratch;
  for (int32_t n = 0; n < w->images; n++) {
    const float *x = w->x + (size_t)n * step + index * places;
    LOOPS(sums)(x, x, places, &sum, &squares);
  }
  const double mean = sum / count;
  double variance = squares / count - mean * mean;
  if (variance < 0) variance = 0;
  const double spread = 1 / __builtin_sqrt(variance + (double)w->epsilon);
  w->mean[index] = (float)mean;
  w->spread[index] = (float)spread;
  if (w->running) {
    /* The running variance is the estimate for the population. */
    const double wide = count > 1 ? variance * count / (count - 1) : variance;
    float *running = w->running;
    running[index] += w->momentum * ((float)mean - running[index]);
    running += w->channels;
    running[index] += w->momentum * ((float)wide - running[index]);
  }
  const float scale = w->scale[index] * (float)spread;
  const float shift = w->bias[index] - (float)mean * scale;
  for (int32_t n = 0; n < w->images; n++) {
    const size_t at = (size_t)n * step + index * places;
    for (size_t i = at; i < at + places; i++) w->y[i] = w->x[i] * scale + shift;
  }
}

/* y is the gradient of the output; dx that of the input, replaced. */
LOOPS_TARGET static void LOOPS(norm_back)(const void *work, uint32_t index, float *scratch) {
  const norm_work *w = work;
  const size_t places = (size_t)w->places, step = places * (size_t)w->channels;
  const double count = (double)w->images * w->places;
  const double mean = w->mean[index], spread = w->spread[index];
  double sum = 0, mixed = 0;
  (void)scratch;
  for (int32_t n = 0; n < w->images; n++) {
    const size_t at = (size_t)n * step + index * places;
    LOOPS(sums)(w->y + at, w->x + at, places, &sum, &mixed);
  }
  const double along = (mixed - mean * sum) * spread;
  w->scale_back[index] = (float)along;
  w->scale_back[(size_t)w->channels + index] = (float)sum;
  if (w->dx == NULL) return;
  const double scale = w->scale[index] * spread;
  const float a = (float)scale, b = (float)(-scale * spread * along / count);
  const float c = (float)(-scale * sum / count + scale * spread * mean * along / count);
  for (int32_t n = 0; n < w->images; n++) {
    const size_t at = (size_t)n * step + index * places;
    for (size_t i = at; i < at + places; i++) w->dx[i] = a * w->y[i] + (b * w->x[i] + c);
  }
}

/* With the running mean and variance, as in a network that is not trained. */
LOOPS_TARGET static void LOOPS(norm_fixed)(const void *work, uint32_t index, float *scratch) {
  const norm_work *w = work;
  const size_t places = (size_t)w->places, step = places * (size_t)w->channels;
  const double variance = w->running[(size_t)w->channels + index];
  const float scale = (float)(w->scale[index] / __builtin_sqrt(variance + (double)w->epsilon));
  const float shift = w->bias[index] - w->running[index] * scale;
  (void)scratch;
  for (int32_t n = 0; n < w->images; n++) {
    const size_t at = (size_t)n * step + index * places;
    for (size_t i = at; i < at + places; i++) w->y[i] = w->x[i] * scale + shift;
  }
}

LOOPS_TARGET static void LOOPS(sum)(const void *work, uint32_t index, float *scratch) {
  const sum_work *w = work;
  const float *x = w->x;
  float *y = w->y;
  const float a = w->a, b = w->b;
  LAYER_RUN(w->count);
  if (a == 0 && b == 0) {
    for (size_t i = from; i < to; i++) y[i] = 0;
  } else if (b == 0) {
    for (size_t i = from; i < to; i++) y[i] = a * x[i];
  } else {
    for (size_t i = from; i < to; i++) y[i] = a * x[i] + b * y[i];
  }
}

LOOPS_TARGET static void LOOPS(multiply)(const void *work, uint32_t index, float *scratch) {
  const sum_work *w = work;
  const float *x = w->x, *z = w->z;
  float *y = w->y;
  const float b = w->b;
  LAYER_RUN(w->count);
  if (b == 0) {
    for (size_t i = from; i < to; i++) y[i] = x[i] * z[i];
  } else {
    for (size_t i = from; i < to; i++) y[i] = x[i] * z[i] + b * y[i];
  }
}

/* A task is a row of all channels. */
LOOPS_TARGET static void LOOPS(bias)(const void *work, uint32_t index, float *scratch) {
  const bias_work *w = work;
  float *x = w->x + (size_t)index * (size_t)w->channels * (size_t)w->places;
  (void)scratch;
  for (int32_t c = 0; c < w->channels; c++) {
    const float bias = w->bias[c];
    for (int32_t i = 0; i < w->places; i++) *x++ += bias;
  }
}

/* A task is a channel. */
LOOPS_TARGET static void LOOPS(bias_back)(const void *work, uint32_t index, float *scratch) {
  const bias_work *w = work;
  const size_t places = (size_t)w->places, step = places * (size_t)w->channels;
  double sum = 0, unused = 0;
  (void)scratch;
  for (int32_t row = 0; row < w->rows; row++) {
    const float *x = w->x + (size_t)row * step + index * places;
    if (places == 1) sum += *x;
    else LOOPS(sums)(x, x, places, &sum, &unused);
  }
  w->bias[index] = (float)sum;
}

LOOPS_TARGET static void LOOPS(sgd)(const void *work, uint32_t index, float *scratch) {
  const sgd_work *w = work;
  LAYER_RUN(w->count);
  for (size_t i = from; i < to; i++) {
    float step = w->g[i] + w->decay * w->w[i];
    if (w->buffer) {
      const float had = w->is_first ? step : w->momentum * w->buffer[i] + (1 - w->dampening) * step;
      w->buffer[i] = had;
      step = w->is_nesterov ? step + w->momentum * had : had;
    }
    w->w[i] -= w->rate * step;
  }
}

LOOPS_TARGET static void LOOPS(adam)(const void *work, uint32_t index, float *scratch) {
  const adam_work *w = work;
  const float kept = w->shrinks ? 1 - w->rate * w->decay : 1;
  const float decay = w->shrinks ? 0 : w->decay;
  LAYER_RUN(w->count);
  for (size_t i = from; i < to; i++) {
    const float had = w->w[i] * kept, g = w->g[i] + decay * had;
    const float first = w->first[i] + (1 - w->beta1) * (g - w->first[i]);
    const float second = w->beta2 * w->second[i] + (1 - w->beta2) * g * g;
    w->first[i] = first;
    w->second[i] = second;
    w->w[i] = had - w->step_size * first / (__builtin_sqrtf(second) / w->root + w->epsilon);
  }
}

const compute_loops LOOPS(loops) = {
    LOOPS(product),        LOOPS(conv),       LOOPS(conv_input),    LOOPS(conv_weight),
    LOOPS(conv_parts),     LOOPS(max_pool),   LOOPS(max_pool_back), LOOPS(mean_pool),
    LOOPS(mean_pool_back), LOOPS(rectify),    LOOPS(rectify_back),  LOOPS(norm),
    LOOPS(norm_back),      LOOPS(norm_fixed), LOOPS(sum),           LOOPS(multiply),
    LOOPS(bias),           LOOPS(bias_back),  LOOPS(sgd),           LOOPS(adam)};
#undef LAYER_RUN
#undef LAYER_LANES
