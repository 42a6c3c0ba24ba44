# SPDX-License-Identifier: Apache-2.0
"""What check_modelopt.py and check_compressed_tensors.py share: the models, written by nibble-qat into a temporary
directory, and the value of an NVFP4 weight as docs/NUMERICS.md 2 defines it."""

import argparse
import os
import subprocess
import tempfile

import torch
from safetensors import safe_open

MODELS = ["oracle/qwen2", "oracle/qwen2-r1", "oracle/llama3", "oracle/qwen3", "oracle/qwen2-yarn", "oracle/llama-f16",
          "mini-math"]
E2M1 = torch.tensor([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6])


def parse_arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nibble-qat", default="build/nibble-qat")
    parser.add_argument("--data", default=os.environ.get("NB_TEST_DATA", "../shared/data"))
    return parser.parse_args()


def quantized(arguments):
    """Yields (name, source directory, written directory, calibration ids or None) of every model."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in MODELS:
            source = os.path.join(arguments.data, "models", name)
            target = os.path.join(scratch, os.path.basename(name))
            ids = os.path.join(source, "oracle", "calib_ids.txt")
            ids = ids if os.path.exists(ids) else None
            command = [arguments.nibble_qat, "quantize", source, target] + (["--calib", ids] if ids else [])
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            yield name, source, target, ids


def tensors_of(directory):
    """All tensors of all shards of a directory."""
    tensors = {}
    for file in sorted(os.listdir(directory)):
        if file.endswith(".safetensors"):
            with safe_open(os.path.join(directory, file), "pt") as shard:
                tensors.update({name: shard.get_tensor(name) for name in shard.keys()})
    return tensors


def linears_of(tensors):
    """Names of the quantised modules."""
    return sorted(name.removesuffix(".weight_scale_2") for name in tensors if name.endswith(".weight_scale_2"))


def our_value(codes, scales, g):
    """(e2m1(code) * s) * g in float32: the first product is exact, the second rounds once."""
    index = torch.stack((codes & 15, codes >> 4), -1).flatten(-2).long()
    blocks = E2M1[index].unflatten(-1, (-1, 16)) * scales.float().unsqueeze(-1)
    return (blocks * g).flatten(-2)


def difference(ours, theirs):
    """(number of values that differ, largest |ours - theirs| in units of 2^-24 of the value)."""
    ours, theirs = ours.double(), theirs.double()
    differs = ours != theirs
    if not differs.any():
        return 0, 0.0
    relative = (ours - theirs).abs() / torch.maximum(ours.abs(), theirs.abs())
    return int(differs.sum()), float(relative[differs].max() * 2 ** 24)
