/**
 * Operators that the random calls of wrong-arguments.child.ts leave out: libtorch calls them only from within, after it
 * has checked the arguments elsewhere, and wrong ones let the process crash. Of the internal operators about one call
 * in a thousand did so (libtorch 2.13: _fft_r2c, _remove_batch_dim, _nnpack_spatial_convolution, _cummin_helper,
 * _native_batch_norm_legit, _foreach_copy, _reshape_alias_copy, _stack.out, reflection_pad1d_backward, …).
 */
export function isUnsafe(name: string): boolean {
  const operator = name.slice("aten::".length);
  return operator.startsWith("_") || operator.includes("_backward") || operator in unsafeOperators;
}

/** Operators without the names of internal ones that crash all the same, or run for hours. */
export const unsafeOperators: Readonly<Record<string, string>> = {
  quantized_lstm_cell: "reads weights at sizes that it does not check",
  quantized_gru_cell: "reads weights at sizes that it does not check",
  quantized_rnn_relu_cell: "reads weights at sizes that it does not check",
  quantized_rnn_tanh_cell: "reads weights at sizes that it does not check",
  mkldnn_rnn_layer: "reads weights at sizes that it does not check; lstm calls it",
  choose_qparams_optimized: "loops over as many bins as it is told",
  batch_norm_update_stats: "takes the running statistics for as long as the channels are many",
};

/**
 * Operators that crash on wrong arguments in an older version only. The calls are chosen among all operators first, so
 * that those of newer versions stay the same calls.
 */
export const unsafeInOlderVersions: Readonly<Record<string, string>> = {
  slow_conv3d_forward: "a segmentation fault in libtorch 2.6",
  align_tensors: "a segmentation fault in libtorch 2.6; 2.13 does not have it",
};
