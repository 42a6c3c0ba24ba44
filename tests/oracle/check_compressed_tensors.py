#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows with compressed-tensors' own code (vLLM's quantisation library) that it reads what `nibble-qat quantize` writes.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch safetensors compressed-tensors==0.20.0
    /tmp/venv/bin/python tests/oracle/check_compressed_tensors.py

Every plain reference model and mini-math goes through the library's ModelOptNvfp4Converter, whose checks must pass, and
each linear layer through its unpacking and dequantize. It stores reciprocals, G = f32(1 / g), and computes
e2m1 * f32(s / G): four roundings of at most 2^-24 of the value between its result and ours, (e2m1 * s) * g, so a
difference above 4 * 2^-24 is an error. Its NVFP4PackedCompressor.decompress works in BF16 and rounds twice there (s / G,
then the product): within 2 * 2^-8 of the value. What is no linear layer must pass through untouched, and 1 / G must give
input_scale back exactly where it is the power of two that stands for "not measured". Exits 1 when anything else differs."""

import sys

import torch
from compressed_tensors.compressors.nvfp4.base import NVFP4PackedCompressor
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.entrypoints.convert.converters.modelopt_nvfp4 import ModelOptNvfp4Converter
from compressed_tensors.quantization.lifecycle.forward import dequantize
from compressed_tensors.quantization.quant_scheme import NVFP4, QuantizationScheme

import quantized_models as common


def check_linear(module, written, converted, scheme):
    """(failures, values, values that differ, largest difference in float32 and in the library's BF16)."""
    codes, scales, g, static = (written[f"{module}.{part}"] for part in
                                ("weight", "weight_scale", "weight_scale_2", "input_scale"))
    state = {part: converted[f"{module}.{part}"] for part in ("weight_packed", "weight_scale", "weight_global_scale")}
    ours = common.our_value(codes, scales, g)
    rows, columns = ours.shape
    unpacked = unpack_fp4_from_uint8(state["weight_packed"], rows, columns, torch.float32)
    theirs = dequantize(unpacked, state["weight_scale"].float(), args=scheme.weights, dtype=torch.float32,
                        global_scale=state["weight_global_scale"])
    coarse = NVFP4PackedCompressor.decompress(state, scheme)["weight"]
    n_apart, worst = common.difference(ours, theirs)
    _, worst_bf16 = common.difference(ours, coarse.float())
    failures = []
    if worst > 4.001:
        failures.append(f"{module}: differs by {worst} * 2^-24")
    if worst_bf16 > 2.02 * 2 ** 16:
        failures.append(f"{module}: differs by {worst_bf16 / 2 ** 16} * 2^-8 in BF16")
    back = 1 / converted[f"{module}.input_global_scale"]
    if not torch.isclose(back, static, rtol=2 ** -22, atol=0) or (static == 0.125 and back != static):
        failures.append(f"{module}: input_scale {float(static)} comes back as {float(back)}")
    return failures, ours.numel(), n_apart, worst, worst_bf16


def check_model(name, target):
    written = common.tensors_of(target)
    linears = common.linears_of(written)
    converter = ModelOptNvfp4Converter(ignore=["lm_head"], targets=[r"re:.*_proj$"])
    converted = converter.validate(dict(written))  # converts, then checks that nothing is left over
    scheme = QuantizationScheme(targets=["Linear"], **NVFP4)
    failures, n_values, n_apart, worst, worst_bf16 = [], 0, 0, 0.0, 0.0
    for module in linears:
        wrong, n, apart, most, most_bf16 = check_linear(module, written, converted, scheme)
        failures += wrong
        n_values, n_apart = n_values + n, n_apart + apart
        worst, worst_bf16 = max(worst, most), max(worst_bf16, most_bf16)
    rest = {tensor for tensor in written if tensor.rpartition(".")[0] not in linears or tensor.endswith(".bias")}
    failures += [f"{tensor}: changed" for tensor in rest if not torch.equal(written[tensor], converted[tensor])]
    if len(converted) != len(rest) + 4 * len(linears):
        failures.append(f"expected {len(rest) + 4 * len(linears)} tensors, found {len(converted)}")
    print(f"{name:18} {len(linears):4} {n_values:9} {n_apart:9} {worst:6.2f} {worst_bf16 / 2 ** 16:8.2f}  "
          f"{'FAIL' if failures else 'ok'}")
    for failure in failures:
        print("    " + failure)
    return not failures


def main():
    arguments = common.parse_arguments(__doc__)
    print(f"{'model':18} {'lin.':>4} {'values':>9} {'decode!=':>9} {'2^-24':>6} {'bf16 2^-8':>9}")
    results = [check_model(name, target) for name, _, target, _ in common.quantized(arguments)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
