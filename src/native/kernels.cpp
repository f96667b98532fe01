// One file, compiled per instruction set: `KERNELS` names the table that comes out. It includes nothing
// that has functions, since the linker would keep one copy of such a function for all processors.

#include "kernels.h"

namespace {

typedef float Vector __attribute__((vector_size(LANES * sizeof(float))));
// Unsigned, so that sums wrap: those of exponents beyond what a float holds are not used.
typedef uint32_t Integers __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef float Unaligned __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

#define INLINE inline __attribute__((always_inline))

INLINE Vector load(const float *at) { return *reinterpret_cast<const Unaligned *>(at); }

INLINE void store(float *at, Vector value) { *reinterpret_cast<Unaligned *>(at) = value; }

INLINE Vector all(float x) { return Vector{x, x, x, x, x, x, x, x}; }

INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }

INLINE float sum(Vector x) {
  return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

INLINE float largest(Vector x) {
  float result = x[0];
  for (int64_t i = 1; i < LANES; i++) {
    result = x[i] > result ? x[i] : result;
  }
  return result;
}

// Of values that are not above 0; below -87, where the result leaves the normal numbers, 0. What
// remains after a power of two goes into a Taylor series whose error stays below the rounding's, in an
// order in which few of its products wait for another.
INLINE Vector exponential(Vector x) {
  const Vector round = all(12582912.0f); // 1.5 * 2^23: what is added to it loses its fraction.
  const Vector shifted = x * all(1.44269504f) + round;
  const Vector power = shifted - round;
  // ln 2 in two parts, the first of which has so few bits that its product is exact.
  const Vector rest = (x - power * all(0.693359375f)) - power * all(-2.12194440e-4f);
  const Vector square = rest * rest;
  const Vector low = (all(1.0f) + rest) + square * (all(0.5f) + rest * all(1.0f / 6));
  const Vector high = (all(1.0f / 24) + rest * all(1.0f / 120)) +
                      square * (all(1.0f / 720) + rest * all(1.0f / 5040));
  const Vector series = low + square * square * high;
  const Integers exponent = reinterpret_cast<Integers>(shifted) << 23;
  const Vector result = reinterpret_cast<Vector>(reinterpret_cast<Integers>(series) + exponent);
  return x < all(-87.0f) ? Vector{} : result;
}

// A number that is known when a loop is compiled.
template <int64_t N> struct Count {
  static constexpr int64_t value = N;
};

// Cuts `n` into pieces of MOST and then smaller ones, and calls `work(count, start)` for each.
template <int64_t MOST, typename Work> INLINE void pieces(int64_t n, Work work, int64_t start = 0) {
  for (; start + MOST <= n; start += MOST) {
    work(Count<MOST>{}, start);
  }
  if constexpr (MOST > 1) {
    pieces<MOST - 1>(n, work, start);
  }
}

// Most vectors and columns of a piece of ROWS rows, so that its sums and what they are made of fit the
// registers.
constexpr int64_t VECTORS = 3, COLUMNS = 3;

template <int64_t N, int64_t M> struct Tile {
  Vector at[N][M];
};

// Calls `work(count, start)` for pieces of the width of up to VECTORS vectors. Frames lie so: of each
// piece all features, of each feature the piece's columns, so that loops read on and on.
template <typename Work> INLINE void strips(int64_t width, Work work) {
  pieces<VECTORS>(width / LANES, [&](auto count, int64_t start) { work(count, start * LANES); });
}

// N rows of M vectors from a matrix whose rows are `stride` apart.
template <int64_t N, int64_t M> INLINE void load(Tile<N, M> &tile, const float *at, int64_t stride) {
  for (int64_t n = 0; n < N; n++) {
    for (int64_t m = 0; m < M; m++) {
      tile.at[n][m] = load(at + n * stride + m * LANES);
    }
  }
}

// Writes them back.
template <int64_t N, int64_t M> INLINE void store(float *at, int64_t stride, const Tile<N, M> &tile) {
  for (int64_t n = 0; n < N; n++) {
    for (int64_t m = 0; m < M; m++) {
      store(at + n * stride + m * LANES, tile.at[n][m]);
    }
  }
}

// Adds `left right` to a tile: N rows of `left` [.., length] and M vectors of `right` [length, ..],
// with the distance of two rows of each, and of two values of a row on the left.
template <int64_t N, int64_t M>
INLINE void multiply(Tile<N, M> &tile, const float *left, int64_t left_rows, int64_t left_values,
                     const float *right, int64_t right_rows, int64_t length) {
  for (int64_t i = 0; i < length; i++) {
    Vector values[M];
    for (int64_t m = 0; m < M; m++) {
      values[m] = load(right + i * right_rows + m * LANES);
    }
    for (int64_t n = 0; n < N; n++) {
      const Vector factor = all(left[n * left_rows + i * left_values]);
      for (int64_t m = 0; m < M; m++) {
        tile.at[n][m] += factor * values[m];
      }
    }
  }
}

// Calls `work(row, feature, sum)` with the sums over the width of the products of N rows of `left` and
// all features of `frames`.
template <int64_t N, typename Work>
INLINE void products(Count<N>, const float *left, const float *frames, int64_t n_features,
                     int64_t width, Work work) {
  pieces<COLUMNS>(n_features, [&](auto columns, int64_t column) {
    Tile<N, columns.value> tile{};
    strips(width, [&](auto vectors, int64_t start) {
      const float *strip = frames + start * n_features + column * vectors.value * LANES;
      for (int64_t i = 0; i < vectors.value; i++) {
        Vector values[columns.value];
        for (int64_t m = 0; m < columns.value; m++) {
          values[m] = load(strip + (m * vectors.value + i) * LANES);
        }
        for (int64_t n = 0; n < N; n++) {
          const Vector factor = load(left + n * width + start + i * LANES);
          for (int64_t m = 0; m < columns.value; m++) {
            tile.at[n][m] += factor * values[m];
          }
        }
      }
    });
    for (int64_t n = 0; n < N; n++) {
      for (int64_t m = 0; m < columns.value; m++) {
        work(n, column + m, sum(tile.at[n][m]));
      }
    }
  });
}

void transpose(const FrameExtents &e, const float *frames, float *transposed) {
  strips(e.width, [&](auto vectors, int64_t start) {
    constexpr int64_t length = vectors.value * LANES;
    float *strip = transposed + start * e.features;
    for (int64_t i = 0; i < length; i++) {
      const int64_t frame = start + i - e.tokens;
      const bool is_frame = frame >= 0 && frame < e.frames;
      for (int64_t feature = 0; feature < e.features; feature++) {
        strip[feature * length + i] = is_frame ? frames[frame * e.features + feature] : 0;
      }
    }
  });
}

void scales(const FrameExtents &e, const float *gram, const float *cross, const float *rest,
            float eps, const float *transposed, float *scale) {
  strips(e.width, [&](auto vectors, int64_t start) {
    constexpr int64_t length = vectors.value * LANES;
    const int64_t place = start * e.features;
    Tile<1, vectors.value> variance;
    load(variance, rest + start, 0);
    pieces<ROWS>(e.features, [&](auto features, int64_t feature) {
      Tile<features.value, vectors.value> tile, own;
      load(tile, cross + place + feature * length, length);
      multiply(tile, gram + feature * e.features, e.features, 1, transposed + place, length,
               e.features);
      load(own, transposed + place + feature * length, length);
      for (int64_t n = 0; n < features.value; n++) {
        for (int64_t m = 0; m < vectors.value; m++) {
          variance.at[0][m] += own.at[n][m] * tile.at[n][m];
        }
      }
    });
    for (int64_t m = 0; m < vectors.value; m++) {
      // Rounding may leave a variance of zero below it.
      store(scale + start + m * LANES, larger(variance.at[0][m], Vector{}) + all(eps));
    }
  });
  for (int64_t i = 0; i < e.width; i++) {
    scale[i] = 1 / __builtin_sqrtf(scale[i]);
  }
  for (int64_t i = 0; i < e.width; i++) {
    scale[i] = i >= e.tokens && i < e.tokens + e.frames ? scale[i] : 1;
  }
}

void weigh(const FrameExtents &e, const float *base, const float *queries, const float *transposed,
           const float *scale, const float *values, float *scaled, float *gathered,
           float *summed) {
  // All of a few rows at once, which stay in the nearest cache.
  pieces<ROWS>(e.rows, [&](auto rows, int64_t row) {
    float *own = scaled + row * e.width;
    strips(e.width, [&](auto vectors, int64_t start) {
      constexpr int64_t length = vectors.value * LANES;
      Tile<rows.value, vectors.value> tile;
      load(tile, base + row * e.width + start, e.width);
      multiply(tile, queries + row * e.features, e.features, 1, transposed + start * e.features,
               length, e.features);
      for (int64_t m = 0; m < vectors.value; m++) {
        const Vector own_scale = load(scale + start + m * LANES);
        for (int64_t n = 0; n < rows.value; n++) {
          tile.at[n][m] *= own_scale;
        }
      }
      store(own + start, e.width, tile);
    });
    for (int64_t n = 0; n < rows.value; n++) {
      float *at = own + n * e.width;
      Vector most = load(at), total{};
      for (int64_t i = LANES; i < e.width; i += LANES) {
        most = larger(load(at + i), most);
      }
      most = all(largest(most));
      for (int64_t i = 0; i < e.width; i += LANES) {
        const Vector weight = exponential(load(at + i) - most);
        total += weight;
        store(at + i, weight * load(scale + i));
      }
      const Vector share = all(1 / sum(total));
      for (int64_t i = 0; i < e.width; i += LANES) {
        store(at + i, load(at + i) * share);
      }
    }
    products(rows, own, transposed, e.features, e.width,
             [&](int64_t n, int64_t feature, float sum) {
               gathered[(row + n) * e.features + feature] = sum;
             });
    strips(e.value_width, [&](auto vectors, int64_t start) {
      Tile<rows.value, vectors.value> tile{};
      multiply(tile, own, e.width, 1, values + start, e.value_width, e.width);
      store(summed + row * e.value_width + start, e.value_width, tile);
    });
  });
}

void unweigh(const FrameExtents &e, const float *base, const float *queries,
             const float *transposed, const float *scale, const float *values,
             const float *scaled, const float *d_gathered, const float *d_summed,
             const float *means, float *room, float *d_base, float *d_queries, float *d_scale) {
  pieces<ROWS>(e.rows, [&](auto rows, int64_t row) {
    strips(e.width, [&](auto vectors, int64_t start) {
      constexpr int64_t length = vectors.value * LANES;
      const float *strip = transposed + start * e.features;
      const int64_t place = row * e.width + start;
      Tile<rows.value, vectors.value> score, d_scaled{};
      multiply(d_scaled, d_summed + row * e.value_width, e.value_width, 1, values + start, e.width,
               e.value_width);
      multiply(d_scaled, d_gathered + row * e.features, e.features, 1, strip, length, e.features);
      load(score, base + place, e.width);
      multiply(score, queries + row * e.features, e.features, 1, strip, length, e.features);
      for (int64_t m = 0; m < vectors.value; m++) {
        const int64_t column = start + m * LANES;
        const Vector own_scale = load(scale + column);
        Vector d_own_scale = load(d_scale + column);
        for (int64_t n = 0; n < rows.value; n++) {
          const int64_t at = place + n * e.width + m * LANES;
          const Vector weight = load(scaled + at), d_weight = d_scaled.at[n][m];
          const Vector d_score = weight * (d_weight * own_scale - all(means[row + n]));
          d_own_scale += weight * d_weight + d_score * score.at[n][m];
          store(room + n * e.width + column, d_score);
          store(d_base + at, load(d_base + at) + d_score);
        }
        store(d_scale + column, d_own_scale);
      }
    });
    products(rows, room, transposed, e.features, e.width,
             [&](int64_t n, int64_t feature, float sum) {
               d_queries[(row + n) * e.features + feature] += sum;
             });
  });
}

void unsum(const FrameExtents &e, int64_t n_samples, const float *scaled, int64_t scaled_stride,
           const float *d_summed, int64_t d_summed_stride, float *d_values) {
  pieces<ROWS>(e.width, [&](auto columns, int64_t column) {
    strips(e.value_width, [&](auto vectors, int64_t start) {
      float *own = d_values + column * e.value_width + start;
      Tile<columns.value, vectors.value> tile;
      load(tile, own, e.value_width);
      for (int64_t sample = 0; sample < n_samples; sample++) {
        multiply(tile, scaled + sample * scaled_stride + column, 1, e.width,
                 d_summed + sample * d_summed_stride + start, e.value_width, e.rows);
      }
      store(own, e.value_width, tile);
    });
  });
}

void unscale(const FrameExtents &e, float eps, const float *frames, const float *transposed,
             const float *scale, float *d_scale, float *room, float *d_gram, float *d_cross,
             float *d_rest) {
  const float most = 1 / __builtin_sqrtf(eps);
  // To the gradient of the variance; none where rounding had left it below zero.
  for (int64_t i = 0; i < e.width; i++) {
    d_scale[i] = scale[i] < most ? d_scale[i] * (-0.5f * scale[i] * scale[i]) : 0;
  }
  for (int64_t frame = 0; frame < e.frames; frame++) {
    const float d_variance = d_scale[e.tokens + frame];
    d_rest[frame] += d_variance;
    for (int64_t feature = 0; feature < e.features; feature++) {
      const int64_t place = frame * e.features + feature;
      d_cross[place] += d_variance * frames[place];
    }
  }
  pieces<ROWS>(e.features, [&](auto features, int64_t feature) {
    strips(e.width, [&](auto vectors, int64_t start) {
      constexpr int64_t length = vectors.value * LANES;
      const float *strip = transposed + start * e.features + feature * length;
      for (int64_t n = 0; n < features.value; n++) {
        for (int64_t i = 0; i < length; i++) {
          room[n * e.width + start + i] = d_scale[start + i] * strip[n * length + i];
        }
      }
    });
    products(features, room, transposed, e.features, e.width,
             [&](int64_t n, int64_t column, float sum) {
               d_gram[(feature + n) * e.features + column] += sum;
             });
  });
}

// Calls `work(query, key, product)` with the product of each row of `left` and each of `right`, whose
// rows are so far apart.
template <typename Work>
INLINE void scores(const TokenExtents &e, const float *left, int64_t left_stride,
                   const float *right, Work work) {
  pieces<ROWS>(e.queries, [&](auto queries, int64_t query) {
    pieces<COLUMNS>(e.keys, [&](auto keys, int64_t key) {
      Tile<queries.value, keys.value> tile{};
      for (int64_t i = 0; i < e.dim; i += LANES) {
        for (int64_t m = 0; m < keys.value; m++) {
          const Vector factor = load(right + (key + m) * e.key_stride + i);
          for (int64_t n = 0; n < queries.value; n++) {
            tile.at[n][m] += load(left + (query + n) * left_stride + i) * factor;
          }
        }
      }
      for (int64_t n = 0; n < queries.value; n++) {
        for (int64_t m = 0; m < keys.value; m++) {
          work(query + n, key + m, sum(tile.at[n][m]));
        }
      }
    });
  });
}

// A matrix whose rows are `stride` apart, or whose columns are where it is read transposed.
struct Rows {
  const float *at;
  int64_t stride;
};

// `left right`, of `n_rows` rows. `left` has its rows, and the values of a row, so far apart.
INLINE void weighted(const TokenExtents &e, int64_t n_rows, const float *left, int64_t left_rows,
                     int64_t left_values, Rows right, int64_t length, float *out,
                     int64_t out_stride) {
  pieces<ROWS>(n_rows, [&](auto rows, int64_t row) {
    strips(e.dim, [&](auto vectors, int64_t start) {
      float *own = out + row * out_stride + start;
      Tile<rows.value, vectors.value> tile{};
      multiply(tile, left + row * left_rows, left_rows, left_values, right.at + start,
               right.stride, length);
      store(own, out_stride, tile);
    });
  });
}

void attend(const TokenExtents &e, float scale, const float *q, const float *k, const float *v,
            float *weights, float *out) {
  scores(e, q, e.query_stride, k, [&](int64_t query, int64_t key, float product) {
    weights[query * e.width + key] = product * scale;
  });
  for (int64_t query = 0; query < e.queries; query++) {
    float *at = weights + query * e.width;
    float most = at[0];
    for (int64_t key = 1; key < e.keys; key++) {
      most = at[key] > most ? at[key] : most;
    }
    // What fills up the row gets no weight.
    for (int64_t key = e.keys; key < e.width; key++) {
      at[key] = -__builtin_inff();
    }
    Vector total{};
    for (int64_t i = 0; i < e.width; i += LANES) {
      const Vector weight = exponential(load(at + i) - all(most));
      total += weight;
      store(at + i, weight);
    }
    const Vector share = all(1 / sum(total));
    for (int64_t i = 0; i < e.width; i += LANES) {
      store(at + i, load(at + i) * share);
    }
  }
  weighted(e, e.queries, weights, e.width, 1, {v, e.key_stride}, e.keys, out, e.query_stride);
}

void unattend(const TokenExtents &e, float scale, const float *q, const float *k, const float *v,
              const float *weights, const float *d_out, float *room, float *d_q, float *d_k,
              float *d_v) {
  scores(e, d_out, e.query_stride, v, [&](int64_t query, int64_t key, float product) {
    room[query * e.width + key] = product;
  });
  for (int64_t query = 0; query < e.queries; query++) {
    const float *own = weights + query * e.width;
    float *d = room + query * e.width;
    float mean = 0;
    for (int64_t key = 0; key < e.keys; key++) {
      mean += own[key] * d[key];
    }
    for (int64_t key = 0; key < e.keys; key++) {
      d[key] = own[key] * (d[key] - mean) * scale;
    }
  }
  weighted(e, e.queries, room, e.width, 1, {k, e.key_stride}, e.keys, d_q, e.query_stride);
  weighted(e, e.keys, room, 1, e.width, {q, e.query_stride}, e.queries, d_k, e.key_stride);
  weighted(e, e.keys, weights, 1, e.width, {d_out, e.query_stride}, e.queries, d_v,
           e.key_stride);
}

typedef uint32_t Words[LANES];

// The high and the low halves of products.
INLINE void multiply(uint32_t factor, const Words &x, Words &high, Words &low) {
  for (int64_t lane = 0; lane < LANES; lane++) {
    const uint64_t product = static_cast<uint64_t>(factor) * x[lane];
    high[lane] = static_cast<uint32_t>(product >> 32);
    low[lane] = static_cast<uint32_t>(product);
  }
}

// The words of a counter whose upper half is 0, for LANES counters from `first` on.
INLINE void philox(uint64_t key, uint64_t first, Words (&words)[4]) {
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int64_t lane = 0; lane < LANES; lane++) {
    const uint64_t counter = first + static_cast<uint64_t>(lane);
    words[0][lane] = static_cast<uint32_t>(counter);
    words[1][lane] = static_cast<uint32_t>(counter >> 32);
    words[2][lane] = words[3][lane] = 0;
  }
  for (int round = 0; round < 10; round++) {
    Words high0, low0, high1, low1;
    multiply(0xD2511F53, words[0], high0, low0);
    multiply(0xCD9E8D57, words[2], high1, low1);
    for (int64_t lane = 0; lane < LANES; lane++) {
      words[0][lane] = high1[lane] ^ words[1][lane] ^ key0;
      words[1][lane] = low1[lane];
      words[2][lane] = high0[lane] ^ words[3][lane] ^ key1;
      words[3][lane] = low0[lane];
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

void mask(uint64_t key, int64_t first, int64_t last, uint32_t n_dropped, float kept, float *mask) {
  for (int64_t at = first; at < last; at += MASKED) {
    Words words[4];
    philox(key, static_cast<uint64_t>(at / MASKED * LANES), words);
    float values[MASKED];
    for (int64_t word = 0; word < 4; word++) {
      for (int64_t lane = 0; lane < LANES; lane++) {
        const uint32_t low = words[word][lane] & 0xFFFF, high = words[word][lane] >> 16;
        values[2 * word * LANES + lane] = low < n_dropped ? 0 : kept;
        values[(2 * word + 1) * LANES + lane] = high < n_dropped ? 0 : kept;
      }
    }
    const int64_t n = last - at < MASKED ? last - at : MASKED;
    for (int64_t i = 0; i < n; i++) {
      mask[at + i] = values[i];
    }
  }
}

constexpr Kernels table{transpose, scales, weigh, unweigh, unsum, unscale, attend, unattend, mask};

} // namespace

extern const Kernels *const KERNELS;
const Kernels *const KERNELS = &table;
