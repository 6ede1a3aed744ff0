/**
 * Causal depthwise convolution: each channel by itself, over its newest inputs.
 *
 *     target[c] = Σ_j weight[c][j] · x_j[c] + bias[c],     x_0 the oldest of `taps` inputs, x_taps−1 the newest
 *
 * The inputs are rows that lie anywhere: those of the batch, or the tail that the state keeps. A sum begins at 0 and
 * takes the oldest first, so that inputs before the sequence's first, which are 0, change no bit.
 */

/** `inputs`: usize[taps], rows f32[channels]; weight f32[channels][taps]; `bias` f32[channels] or 0. */
export function causalConvolution(
  inputs: usize, taps: u32, weight: usize, bias: usize, channels: u32, target: usize,
): void {
  const stride = (<usize>taps) << 2;
  let c: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; c + 4 <= channels; c += 4) {
      const at = (<usize>c) << 2;
      let sum = f32x4.splat(0);
      let tap = weight + <usize>c * stride;
      for (let j: u32 = 0; j < taps; j++, tap += 4) {
        let w = v128.load32_splat(tap);
        w = v128.load_lane<f32>(tap + stride, w, 1);
        w = v128.load_lane<f32>(tap + 2 * stride, w, 2);
        w = v128.load_lane<f32>(tap + 3 * stride, w, 3);
        const x = load<usize>(inputs + <usize>j * sizeof<usize>());
        sum = f32x4.add(sum, f32x4.mul(w, v128.load(x + at)));
      }
      v128.store(target + at, bias == 0 ? sum : f32x4.add(sum, v128.load(bias + at)));
    }
  }
  for (; c < channels; c++) {
    const at = (<usize>c) << 2;
    const tap = weight + <usize>c * stride;
    let sum: f32 = 0;
    for (let j: u32 = 0; j < taps; j++) {
      const x = load<usize>(inputs + <usize>j * sizeof<usize>());
      sum += load<f32>(tap + ((<usize>j) << 2)) * load<f32>(x + at);
    }
    store<f32>(target + at, bias == 0 ? sum : sum + load<f32>(bias + at));
  }
}
