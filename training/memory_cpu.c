/* The memory layer's four loops for a CPU: hash and gather, forward and backward.
 *
 * x [n, K*bits]   rows [n, K]
 * weight [n, K]   table [K << bits, d]   y, g [n, d]
 *
 * Forward, a row of a table is read once and lies in one piece: the next one is asked for while this one is added.
 * Backward goes through a group of tables at a time, small enough that their rows and gradients stay in the cache
 * while all tokens pass. memory_cpu.py builds this with the C compiler and calls it through ctypes; memory.py's
 * PyTorch formulas are the reference and serve where there is no compiler.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

static float sign(float v) { return (float)((v > 0) - (v < 0)); }

/* A row is taken whole, so that exp runs in full registers; memory_cpu.py refuses longer ones. */
enum { WIDEST = 4096 };

/* e = exp(-2 |x|) of a row. */
static void decays(const float *x, int64_t width, float *e) {
    for (int64_t j = 0; j < width; j++) e[j] = expf(-2 * fabsf(x[j]));
}

/* Sum of |x| and product of (1 + e) over a chunk. */
static inline void score(const float *x, const float *e, int64_t bits, float *sum, float *product) {
    *sum = 0, *product = 1;
    for (int64_t j = 0; j < bits; j++) {
        *sum += fabsf(x[j]);
        *product *= 1 + e[j];
    }
}

void hash_forward(const float *x, int64_t n, int64_t tables, int64_t bits, int64_t *rows, float *weight) {
    float e[WIDEST];
    for (int64_t i = 0; i < n; i++) {
        decays(x, tables * bits, e);
        for (int64_t k = 0; k < tables; k++, x += bits) {
            int64_t code = 0;
            float sum, product;
            for (int64_t j = 0; j < bits; j++) code = code * 2 + (x[j] >= 0);
            score(x, e + k * bits, bits, &sum, &product);
            *rows++ = (k << bits) + code;
            *weight++ = sum / product;
        }
    }
}

/* dx from dweight; the code itself is piecewise constant and has no gradient. */
void hash_backward(const float *x, const float *dweight, int64_t n, int64_t tables, int64_t bits, float *dx) {
    float e[WIDEST], inverse[WIDEST], slope[WIDEST];
    int64_t width = tables * bits;
    for (int64_t i = 0; i < n; i++, x += width, dx += width) {
        decays(x, width, e);
        for (int64_t k = 0; k < tables; k++) {
            float sum, product, d = *dweight++;
            score(x + k * bits, e + k * bits, bits, &sum, &product);
            for (int64_t j = k * bits; j < (k + 1) * bits; j++) {
                inverse[j] = d / product;
                slope[j] = d / product * sum * 2;
            }
        }
        for (int64_t j = 0; j < width; j++) dx[j] = sign(x[j]) * (inverse[j] + slope[j] * e[j] / (1 + e[j]));
    }
}

/* Sixteen columns: one register of AVX-512; the compiler splits it where registers are shorter. */
typedef float line __attribute__((vector_size(64), aligned(4)));

/* Lines of a row that a pass holds in registers; bytes of rows and gradients that it works on: a second-level cache. */
enum { LINE = 16, MOST = 24, BUDGET = 1 << 20 };
#define EACH_LINE _Pragma("GCC unroll 24") for (int l = 0; l < lines; l++)

/* Lines that the next pieces of `left` columns may have: rows of 384, 320 and 256 entries go in one piece. */
static int piece(int64_t left) {
    int64_t lines = left / LINE;
    return lines >= MOST ? MOST : lines >= 20 ? 20 : lines >= 16 ? 16 : lines >= 4 ? 4 : lines ? 1 : 0;
}

/* A loop of its own, CALL(lines), for each of these numbers. */
#define BY_PIECE(lines, CALL) \
    switch (lines) { \
    case MOST: CALL(MOST); break; \
    case 20: CALL(20); break; \
    case 16: CALL(16); break; \
    case 4: CALL(4); break; \
    default: CALL(1); \
    }

/* y = sum of the weighted rows, in `lines` lines of their columns. */
static inline __attribute__((always_inline)) void add_rows(
    const float *table, const int64_t *rows, const float *weight, int64_t n, int64_t tables, int64_t d,
    float *restrict y, const int lines) {
    for (int64_t i = 0; i < n; i++, y += d, rows += tables, weight += tables) {
        line sum[MOST];
        EACH_LINE sum[l] = (line){0};
        for (int64_t k = 0; k < tables; k++) {
            const float *row = table + rows[k] * d, *next = table + rows[k + 1 < tables ? k + 1 : k] * d;
            EACH_LINE {
                __builtin_prefetch(next + l * LINE);
                sum[l] += weight[k] * *(const line *)(row + l * LINE);
            }
        }
        EACH_LINE *(line *)(y + l * LINE) = sum[l];
    }
}

void gather_forward(const float *table, const int64_t *rows, const float *weight, int64_t n, int64_t tables, int64_t d,
                    float *y) {
    int64_t c = 0;
    for (int lines; (lines = piece(d - c)) > 0; c += lines * LINE) {
#define ADD(L) add_rows(table + c, rows, weight, n, tables, d, y + c, L)
        BY_PIECE(lines, ADD)
#undef ADD
    }
    for (; c < d; c++)
        for (int64_t i = 0; i < n; i++) {
            float sum = 0;
            for (int64_t k = 0; k < tables; k++) sum += weight[i * tables + k] * table[rows[i * tables + k] * d + c];
            y[i * d + c] = sum;
        }
}

/* All tokens past the tables from `first` to `end`, in `lines` lines of their columns. */
static inline __attribute__((always_inline)) void add_gradients(
    const float *table, const int64_t *rows, const float *weight, const float *g, int64_t n, int64_t tables, int64_t d,
    int64_t first, int64_t end, float *dtable, float *dweight, const int lines) {
    for (int64_t i = 0; i < n; i++, g += d, rows += tables, weight += tables, dweight += tables) {
        line from[MOST];
        EACH_LINE from[l] = *(const line *)(g + l * LINE);
        for (int64_t k = first; k < end; k++) {
            const float *row = table + rows[k] * d;
            float *drow = dtable + rows[k] * d;
            line products = {0};
            EACH_LINE {
                products += from[l] * *(const line *)(row + l * LINE);
                *(line *)(drow + l * LINE) += weight[k] * from[l];
            }
            for (int j = 0; j < LINE; j++) dweight[k] += products[j];
        }
    }
}

/* dtable and dweight = <g, T[row]> are set: a group's gradients are cleared just before they are added to. */
void gather_backward(const float *table, const int64_t *rows, const float *weight, const float *g, int64_t n,
                     int64_t tables, int64_t codes, int64_t d, float *dtable, float *dweight) {
    int64_t c = 0;
    memset(dweight, 0, n * tables * sizeof(float));
    for (int lines; (lines = piece(d - c)) > 0; c += lines * LINE) {
        int64_t group = BUDGET / (2 * codes * lines * (int64_t)sizeof(line));
        group = group < 1 ? 1 : group;
        for (int64_t k = 0; k < tables; k += group) {
            int64_t end = k + group < tables ? k + group : tables;
            for (int64_t r = k * codes; r < end * codes; r++) memset(dtable + r * d + c, 0, lines * sizeof(line));
#define ADD(L) add_gradients(table + c, rows, weight, g + c, n, tables, d, k, end, dtable + c, dweight, L)
            BY_PIECE(lines, ADD)
#undef ADD
        }
    }
    if (c == d) return;
    for (int64_t r = 0; r < tables * codes; r++) memset(dtable + r * d + c, 0, (d - c) * sizeof(float));
    for (int64_t i = 0; i < n * tables; i++)
        for (int64_t column = c; column < d; column++) {
            float from = g[i / tables * d + column];
            dweight[i] += from * table[rows[i] * d + column];
            dtable[rows[i] * d + column] += weight[i] * from;
        }
}
