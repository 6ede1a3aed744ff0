/* The memory layer's four loops for a CPU: hash and gather, forward and backward.
 *
 * x [n, K*bits]   rows [n, K]
 * weight [n, K]   table [K << bits, d]   y, g [n, d]
 *
 * A row of a table is read once in a pass and lies in one piece: 2 d bytes' worth of cache lines that the next
 * iteration's prefetch hides. memory.py builds this with the C compiler and calls it through ctypes; its PyTorch
 * formulas are the reference and serve where there is no compiler.
 */
#include <math.h>
#include <stdint.h>

static float sign(float v) { return (float)((v > 0) - (v < 0)); }

void hash_forward(const float *x, int64_t n, int64_t tables, int64_t bits, int64_t *rows, float *weight) {
    for (int64_t i = 0; i < n * tables; i++, x += bits) {
        int64_t code = 0;
        float sum = 0, product = 1, a[16], e[16];
        for (int64_t j = 0; j < bits; j++) a[j] = fabsf(x[j]);
        for (int64_t j = 0; j < bits; j++) e[j] = expf(-2 * a[j]);
        for (int64_t j = 0; j < bits; j++) {
            code = code * 2 + (x[j] >= 0);
            sum += a[j];
            product *= 1 + e[j];
        }
        rows[i] = (i % tables << bits) + code;
        weight[i] = sum / product;
    }
}

/* dx from dweight; the code itself is piecewise constant and has no gradient. */
void hash_backward(const float *x, const float *dweight, int64_t n, int64_t tables, int64_t bits, float *dx) {
    for (int64_t i = 0; i < n * tables; i++, x += bits, dx += bits) {
        float sum = 0, product = 1, a[16], e[16];
        for (int64_t j = 0; j < bits; j++) a[j] = fabsf(x[j]);
        for (int64_t j = 0; j < bits; j++) e[j] = expf(-2 * a[j]);
        for (int64_t j = 0; j < bits; j++) {
            sum += a[j];
            product *= 1 + e[j];
        }
        float w = sum / product;
        for (int64_t j = 0; j < bits; j++)
            dx[j] = sign(x[j]) * dweight[i] * (1 / product + w * 2 * e[j] / (1 + e[j]));
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

/* dtable is added to; dweight = <g, T[row]>. */
void gather_backward(const float *table, const int64_t *rows, const float *weight, const float *g, int64_t n,
                     int64_t tables, int64_t d, float *dtable, float *dweight) {
    for (int64_t i = 0; i < n * tables; i++) {
        const float *restrict from = g + i / tables * d;
        const float *restrict row = table + rows[i] * d;
        float *restrict drow = dtable + rows[i] * d;
        float w = weight[i], dot = 0;
        for (int64_t c = 0; c < d; c++) {
            dot += from[c] * row[c];
            drow[c] += w * from[c];
        }
        dweight[i] = dot;
    }
}
