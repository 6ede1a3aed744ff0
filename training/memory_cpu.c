/* The memory layer's four loops for a CPU: hash and gather, forward and backward.
 *
 * x [n, K*bits]   rows, flips [n, K] (row of the code; row of the code with its least certain bit turned)
 * weight [n, K]   table [K << bits, d]   y, g [n, d]
 *
 * A row of a table is read once in a pass and lies in one piece: 2 d bytes' worth of cache lines that the next
 * iteration's prefetch hides. memory.py builds this with the C compiler and calls it through ctypes; its PyTorch
 * formulas are the reference and serve where there is no compiler.
 */
#include <math.h>
#include <stdint.h>

static float sign(float v) { return (float)((v > 0) - (v < 0)); }

void hash_forward(const float *x, int64_t n, int64_t tables, int64_t bits, int64_t *rows, int64_t *flips,
                  float *weight) {
    for (int64_t i = 0; i < n * tables; i++, x += bits) {
        int64_t code = 0, least = 0;
        float sum = 0, product = 1, a[16], e[16];
        for (int64_t j = 0; j < bits; j++) a[j] = fabsf(x[j]);
        for (int64_t j = 0; j < bits; j++) e[j] = expf(-2 * a[j]);
        for (int64_t j = 0; j < bits; j++) {
            code = code * 2 + (x[j] >= 0);
            sum += a[j];
            product *= 1 + e[j];
            if (a[j] < a[least]) least = j;
        }
        rows[i] = (i % tables << bits) + code;
        flips[i] = (i % tables << bits) + (code ^ (1 << (bits - 1 - least)));
        weight[i] = sum / product;
    }
}

/* dx from dweight by the published derivative. With straight != 0 the least certain bit of a chunk also gets the
 * derivative of the smoothed code, p(flip) = 1 / (1 + e^(2|z|)): difference = <g, T[flip]> - <g, T[row]>. */
void hash_backward(const float *x, const float *dweight, const float *difference, float straight, int64_t n,
                   int64_t tables, int64_t bits, float *dx) {
    for (int64_t i = 0; i < n * tables; i++, x += bits, dx += bits) {
        int64_t least = 0;
        float sum = 0, product = 1, a[16], e[16];
        for (int64_t j = 0; j < bits; j++) a[j] = fabsf(x[j]);
        for (int64_t j = 0; j < bits; j++) e[j] = expf(-2 * a[j]);
        for (int64_t j = 0; j < bits; j++) {
            sum += a[j];
            product *= 1 + e[j];
            if (a[j] < a[least]) least = j;
        }
        float w = sum / product;
        for (int64_t j = 0; j < bits; j++)
            dx[j] = sign(x[j]) * dweight[i] * (1 / product + w * 2 * e[j] / (1 + e[j]));
        if (straight != 0) {
            float gate = 2 * e[least] / ((1 + e[least]) * (1 + e[least]));
            dx[least] -= sign(x[least]) * straight * gate * w * difference[i];
        }
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

/* dtable is added to; dweight = <g, T[row]>; difference, when wanted, = <g, T[flip] - T[row]>. */
void gather_backward(const float *table, const int64_t *rows, const int64_t *flips, const float *weight, const float *g,
                     int64_t n, int64_t tables, int64_t d, float *dtable, float *dweight, float *difference) {
    for (int64_t i = 0; i < n; i++, g += d) {
        for (int64_t k = 0; k < tables; k++) {
            int64_t at = i * tables + k;
            const float *restrict row = table + rows[at] * d;
            float *restrict drow = dtable + rows[at] * d;
            float w = weight[at], dot = 0, other = 0;
            for (int64_t c = 0; c < d; c++) {
                dot += g[c] * row[c];
                drow[c] += w * g[c];
            }
            dweight[at] = dot;
            if (difference) {
                const float *restrict flip = table + flips[at] * d;
                for (int64_t c = 0; c < d; c++) other += g[c] * flip[c];
                difference[at] = other - dot;
            }
        }
    }
}
