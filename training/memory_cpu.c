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

void gather_forward(const float *table, const int64_t *rows, const float *weight, int64_t n, int64_t tables, int64_t d,
                    float *restrict y) {
    for (int64_t i = 0; i < n; i++, y += d, rows += tables, weight += tables) {
        for (int64_t c = 0; c < d; c++) y[c] = 0;
        for (int64_t k = 0; k < tables; k++) {
            const float *restrict row = table + rows[k] * d;
            if (k + 1 < tables)
                for (int64_t c = 0; c < d; c += 16) __builtin_prefetch(table + rows[k + 1] * d + c);
            float w = weight[k];
            for (int64_t c = 0; c < d; c++) y[c] += w * row[c];
        }
    }
}

/* Sixteen columns: one register of AVX-512; the compiler splits it where registers are shorter. */
typedef float line __attribute__((vector_size(64), aligned(4)));

/* Lines of a row that a pass holds in registers; bytes of rows and gradients that it works on: a second-level cache. */
enum { LINE = 16, MOST = 24, BUDGET = 1 << 20 };
#define EACH_LINE _Pragma("GCC unroll 24") for (int l = 0; l < lines; l++)

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
    for (int lines; d - c >= LINE; c += lines * LINE) {
        /* Rows of 384, 320 and 256 entries go in one piece. */
        int64_t left = (d - c) / LINE;
        lines = left >= MOST ? MOST : left >= 20 ? 20 : left >= 16 ? 16 : left >= 4 ? 4 : 1;
        int64_t group = BUDGET / (2 * codes * lines * (int64_t)sizeof(line));
        group = group < 1 ? 1 : group;
        for (int64_t k = 0; k < tables; k += group) {
            int64_t end = k + group < tables ? k + group : tables;
            for (int64_t r = k * codes; r < end * codes; r++) memset(dtable + r * d + c, 0, lines * sizeof(line));
#define ADD(L) add_gradients(table + c, rows, weight, g + c, n, tables, d, k, end, dtable + c, dweight, L)
            switch (lines) {
            case MOST: ADD(MOST); break;
            case 20: ADD(20); break;
            case 16: ADD(16); break;
            case 4: ADD(4); break;
            default: ADD(1);
            }
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
