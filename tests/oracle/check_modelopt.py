#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows with NVIDIA ModelOpt's own code that what `nibble-qat quantize` writes is what ModelOpt means.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch transformers safetensors nvidia-modelopt==0.47.0 requests
    /tmp/venv/bin/python tests/oracle/check_modelopt.py

For every plain reference model and mini-math, per linear layer:
- decode: NVFP4QTensor.dequantize of our bytes against the value that docs/NUMERICS.md defines. ModelOpt rounds twice,
  e2m1 * f32(s * g), where ours rounds once, (e2m1 * s) * g. Three roundings of at most 2^-24 of the value each, so
  more than 3 * 2^-24 between the two is an error, and its formula applied to our bytes must give its result exactly;
- encode: NVFP4QTensor.quantize of the source's weight with our weight_scale_2 gives our codes and scales, but for two
  deliberate differences that change no value by more than rounding: a block whose scale rounds to zero (ModelOpt clamps
  the scale to 2^-9, byte 0x01) and the sign of -0.0 (ModelOpt drops it);
- weight_scale_2: ModelOpt's formula over the fused group (q k v; gate up) gives our bits;
- input_scale, where there are calibration ids: the largest input of each fused group, found by hooks in transformers'
  float64 forward pass, within 1e-5;
- hf_quant_config.json: ModelOpt's own conversion of it gives our quantization_config.
Exits 1 when anything else differs."""

import json
import os
import sys

import torch
from modelopt.torch.export.convert_hf_config import convert_hf_quant_config_format
from modelopt.torch.quantization.qtensor.nvfp4_tensor import NVFP4QTensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging

import quantized_models as common

FUSED = {"q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "gate_proj": "gate_up", "up_proj": "gate_up"}


def group_of(module):
    parent, _, name = module.rpartition(".")
    return parent + "." + FUSED.get(name, name)


def decode(codes, scales, g):
    shape = (codes.shape[0], codes.shape[1] * 2)
    tensor = NVFP4QTensor(shape, torch.float32, codes)
    return tensor.dequantize(torch.float32, scale=scales, double_scale=g, block_sizes={-1: 16})


def encode_differences(weight, codes, scales, g):
    """(unexplained differences, dead blocks, dropped signs) between ModelOpt's encoding of the source and ours."""
    packed, their_scales, _ = NVFP4QTensor.quantize(weight.float().clone(), 16, weights_scaling_factor_2=g)
    unpack = lambda bytes_: torch.stack((bytes_ & 15, bytes_ >> 4), -1).flatten(-2).unflatten(-1, (-1, 16))
    ours, theirs = unpack(codes), unpack(packed._quantized_data)
    our_scales, their_scales = scales.view(torch.uint8), their_scales.view(torch.uint8)
    dead = (our_scales == 0) & (their_scales == 1)
    sign = (ours == 8) & (theirs == 0) & (weight.unflatten(-1, (-1, 16)) == 0)
    wrong = int(((ours != theirs) & ~sign & ~dead.unsqueeze(-1)).sum())
    wrong += int(((our_scales != their_scales) & ~dead).sum()) + int((ours[dead] != 0).sum())
    return wrong, int(dead.sum()), int(sign.sum())


def check_declaration(directory):
    with open(os.path.join(directory, "hf_quant_config.json")) as file:
        converted = convert_hf_quant_config_format(json.load(file))
    with open(os.path.join(directory, "config.json")) as file:
        ours = json.load(file)["quantization_config"]
    return converted == ours


def largest_inputs(source, ids):
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float64)
    largest = {}

    def hook(name):
        def see(_module, inputs):
            group = group_of(name)
            largest[group] = max(largest.get(group, 0.0), float(inputs[0].abs().max()))
        return see

    for name, module in model.named_modules():
        if name.endswith("_proj"):
            module.register_forward_pre_hook(hook(name))
    with torch.no_grad():
        for line in open(ids):
            model(torch.tensor([[int(word) for word in line.split()]]))
    return largest


def check_model(name, source, target, ids):
    tensors, originals = common.tensors_of(target), common.tensors_of(source)
    linears = common.linears_of(tensors)
    groups = {}
    for module in linears:
        groups.setdefault(group_of(module), []).append(module)
    failures, n_values, n_apart, worst, n_dead, n_signs = [], 0, 0, 0.0, 0, 0
    for module in linears:
        codes, scales, g = (tensors[f"{module}.{part}"] for part in ("weight", "weight_scale", "weight_scale_2"))
        ours, theirs = common.our_value(codes, scales, g), decode(codes, scales, g)
        twice = (common.our_value(codes, torch.ones_like(scales), torch.tensor(1.0)).unflatten(-1, (-1, 16))
                 * (scales.float() * g).unsqueeze(-1)).flatten(-2)
        if not torch.equal(twice, theirs):
            failures.append(f"{module}: decode is not e2m1 * f32(s * g)")
        n, apart = common.difference(ours, theirs)
        n_values, n_apart, worst = n_values + ours.numel(), n_apart + n, max(worst, apart)
        wrong, dead, signs = encode_differences(originals[f"{module}.weight"], codes, scales, g)
        n_dead, n_signs = n_dead + dead, n_signs + signs
        if wrong:
            failures.append(f"{module}: {wrong} codes or scales differ")
        fused = torch.cat([originals[f"{m}.weight"].float() for m in groups[group_of(module)]])
        if not torch.equal(NVFP4QTensor.get_weights_scaling_factor_2(fused), g):
            failures.append(f"{module}: weight_scale_2")
    if worst > 3.001:
        failures.append(f"decode differs by {worst} * 2^-24")
    if not check_declaration(target):
        failures.append("hf_quant_config.json and config.json disagree")
    apart = 0.0
    if ids:
        for group, amax in largest_inputs(source, ids).items():
            scale = float(tensors[f"{groups[group][0]}.input_scale"])
            apart = max(apart, abs(scale * 2688 / amax - 1))
            if len({float(tensors[f"{module}.input_scale"]) for module in groups[group]}) != 1:
                failures.append(f"{group}: input_scale is not shared")
    if apart > 1e-5:
        failures.append(f"input_scale is off by {apart}")
    print(f"{name:18} {len(linears):4} {n_values:9} {n_apart:9} {worst:6.2f} {n_dead:6} {n_signs:6} "
          f"{apart if ids else float('nan'):10.1e}  {'FAIL' if failures else 'ok'}")
    for failure in failures:
        print("    " + failure)
    return not failures


def main():
    arguments = common.parse_arguments(__doc__)
    logging.disable_progress_bar()
    print(f"{'model':18} {'lin.':>4} {'values':>9} {'decode!=':>9} {'2^-24':>6} {'dead':>6} {'-0.0':>6} {'input':>10}")
    results = [check_model(*model) for model in common.quantized(arguments)]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
