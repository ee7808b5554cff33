#!/usr/bin/env python3
"""A checkpoint as large as you like that takes no room: true headers, no data.

usage: Tests/Benchmarks/sparse_checkpoint.py FOLDER [--layers 61] [--dense-layers 3] [--experts 256]
         [--shards 163] [--hidden 7168] [--vocabulary 129280] [--fp8] [--rank 16] [--experts-too]

Writes into FOLDER, which must not exist:

  base/     the model: names, shapes and dtypes of DeepSeek-V3 without its prediction layer (671 B
            parameters), safetensors files with their index and config.json. Each file has its full
            logical size and, after the header, no blocks on the disk: it reads as zeros.
  lora/     a LoRA of PEFT on the attention projections, bf16; with --experts-too also on every
            expert
  reslora.safetensors
            a ResLoRA adapter of input shortcuts (is) on the same modules, each block linked to that
            of the layer before; with `--method bw` it takes statistics of the base

With --fp8 the projections are F8_E4M3 with block scales, as the model was published. Smaller models
have the same tensors, fewer layers, experts and files. Prints what it wrote as JSON.

Needs Python 3.9 and nothing else, and a file system that leaves holes in files.
"""
import argparse
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

BYTES = {"F8_E4M3": 1, "BF16": 2, "F32": 4}
# The order in which the safetensors library lays out dtypes.
WIDEST_FIRST = {"F32": 0, "BF16": 1, "F8_E4M3": 2}
SCALE_BLOCK = 128
ATTENTION = ["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"]


@dataclass(frozen=True)
class Model:
    """The extents of a model of DeepSeek-V3's kind."""
    layers: int = 61
    dense_layers: int = 3
    experts: int = 256
    shards: int = 163
    hidden: int = 7168
    vocabulary: int = 129280
    heads: int = 128
    query_rank: int = 1536
    key_value_rank: int = 512
    dense_width: int = 18432
    expert_width: int = 2048
    fp8: bool = False

    def attention(self):
        """The five projections of a layer: name, (out, in)."""
        rope, without_rope, value = 64, 128, 128
        return dict(zip(ATTENTION, [
            (self.query_rank, self.hidden),
            (self.heads * (without_rope + rope), self.query_rank),
            (self.key_value_rank + rope, self.hidden),
            (self.heads * (without_rope + value), self.key_value_rank),
            (self.hidden, self.heads * value)]))

    def feed_forward(self, width):
        return {"gate_proj": (width, self.hidden), "up_proj": (width, self.hidden),
                "down_proj": (self.hidden, width)}

    def projections(self, layer):
        """The projections of a layer: the module's name in the layer, (out, in)."""
        for name, shape in self.attention().items():
            yield f"self_attn.{name}", shape
        if layer < self.dense_layers:
            for name, shape in self.feed_forward(self.dense_width).items():
                yield f"mlp.{name}", shape
            return
        for expert in range(self.experts):
            for name, shape in self.feed_forward(self.expert_width).items():
                yield f"mlp.experts.{expert}.{name}", shape
        for name, shape in self.feed_forward(self.expert_width).items():
            yield f"mlp.shared_experts.{name}", shape

    def tensors(self):
        """All tensors in the order of the model: name, dtype, shape."""
        yield "model.embed_tokens.weight", "BF16", [self.vocabulary, self.hidden]
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}."
            yield prefix + "input_layernorm.weight", "BF16", [self.hidden]
            yield prefix + "self_attn.q_a_layernorm.weight", "BF16", [self.query_rank]
            yield prefix + "self_attn.kv_a_layernorm.weight", "BF16", [self.key_value_rank]
            if layer >= self.dense_layers:
                yield prefix + "mlp.gate.weight", "BF16", [self.experts, self.hidden]
                yield prefix + "mlp.gate.e_score_correction_bias", "F32", [self.experts]
            for name, shape in self.projections(layer):
                weight = f"{prefix}{name}.weight"
                if self.fp8:
                    yield weight, "F8_E4M3", list(shape)
                    yield weight + "_scale_inv", "F32", [-(-n // SCALE_BLOCK) for n in shape]
                else:
                    yield weight, "BF16", list(shape)
            yield prefix + "post_attention_layernorm.weight", "BF16", [self.hidden]
        yield "model.norm.weight", "BF16", [self.hidden]
        yield "lm_head.weight", "BF16", [self.vocabulary, self.hidden]

    def modules(self, experts_too=False):
        """The adapted modules, layer by layer: name, (out, in)."""
        for layer in range(self.layers):
            for name, shape in self.projections(layer):
                if experts_too or name.startswith("self_attn."):
                    yield f"model.layers.{layer}.{name}", shape


def element_count(shape):
    count = 1
    for extent in shape:
        count *= extent
    return count


def write_sparse(path, tensors, metadata):
    """Writes the header of tensors (name, dtype, shape) and leaves their data a hole; gives the
    sizes of the file, of the data and of the header's text."""
    header, offset = ({"__metadata__": metadata} if metadata else {}), 0
    for name, dtype, shape in sorted(tensors, key=lambda t: (WIDEST_FIRST[t[1]], t[0])):
        end = offset + BYTES[dtype] * element_count(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return 8 + len(text) + offset, offset, len(text)


def cut(tensors, count):
    """Tensors in order, in `count` lists of about one size in bytes, none empty."""
    tensors = list(tensors)
    if len(tensors) < count:
        raise SystemExit(f"{len(tensors)} tensors can't fill {count} files")
    sizes = [BYTES[dtype] * element_count(shape) for _, dtype, shape in tensors]
    total, done, shards = sum(sizes), 0, [[]]
    for position, (tensor, size) in enumerate(zip(tensors, sizes)):
        is_full = done >= total * len(shards) / count
        if shards[-1] and len(shards) < count and (
                is_full or len(tensors) - position == count - len(shards)):
            shards.append([])
        shards[-1].append(tensor)
        done += size
    return shards


def write_base(folder, model):
    """Writes a model's folder; gives what is in it."""
    folder.mkdir(parents=True)
    files, weight_map, total, parameters = [], {}, 0, 0
    for number, shard in enumerate(cut(model.tensors(), model.shards), 1):
        name = f"model-{number:05}-of-{model.shards:06}.safetensors"
        size, data, header = write_sparse(folder / name, shard, {"format": "pt"})
        files.append({"name": name, "size": size, "data": data, "header": header,
                      "tensors": len(shard)})
        weight_map.update((tensor[0], name) for tensor in shard)
        parameters += sum(
            element_count(shape) for tensor, _, shape in shard if not tensor.endswith("_scale_inv"))
        total += data
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    config = {
        "model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"],
        "num_hidden_layers": model.layers, "first_k_dense_replace": model.dense_layers,
        "n_routed_experts": model.experts, "n_shared_experts": 1, "hidden_size": model.hidden,
        "intermediate_size": model.dense_width, "moe_intermediate_size": model.expert_width,
        "vocab_size": model.vocabulary, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}
    if model.fp8:
        config["quantization_config"] = {
            "quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [SCALE_BLOCK, SCALE_BLOCK]}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return {"files": files, "tensors": len(weight_map), "bytes": total, "parameters": parameters,
            "header_bytes": sum(file["header"] for file in files)}


def factors(name, shape, rank, ending=""):
    out, into = shape
    return [(f"{name}.lora_A{ending}", "BF16", [rank, into]),
            (f"{name}.lora_B{ending}", "BF16", [out, rank])]


def write_lora(folder, model, rank, experts_too):
    """Writes a LoRA as PEFT lays it out; gives its size."""
    folder.mkdir(parents=True)
    modules = list(model.modules(experts_too))
    tensors = [tensor for name, shape in modules
               for tensor in factors(f"base_model.model.{name}", shape, rank, ".weight")]
    size = write_sparse(folder / "adapter_model.safetensors", tensors, {"format": "pt"})[0]
    targets = sorted({name.rsplit(".", 1)[1] for name, _ in modules})
    (folder / "adapter_config.json").write_text(json.dumps({
        "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": targets}) + "\n")
    return {"bytes": size, "modules": len(modules)}


def write_reslora(path, model, rank):
    """Writes a ResLoRA adapter (Adapter in safetensors §2) whose chains run through the layers."""
    tensors, blocks = [], []
    known = set()
    for name, shape in model.modules():
        tensors += factors(name, shape, rank)
        block = {"name": name, "scaling": 2.0}
        _, _, layer, *rest = name.split(".")
        previous = ".".join(["model", "layers", str(int(layer) - 1), *rest])
        if previous in known:
            block["previous"] = previous
        known.add(name)
        blocks.append(block)
    description = {"format": "reslora-adapter", "version": 1, "structure": "is", "root": "self",
                   "pre_num": -1, "blocks": blocks}
    size = write_sparse(path, tensors, {"reslora": json.dumps(description, separators=(",", ":"))})[0]
    return {"bytes": size, "modules": len(blocks)}


def write_all(folder, model, rank=16, experts_too=False):
    folder = Path(folder)
    folder.mkdir()
    return {"base": write_base(folder / "base", model),
            "lora": write_lora(folder / "lora", model, rank, experts_too),
            "reslora": write_reslora(folder / "reslora.safetensors", model, rank)}


def add_model_options(parser):
    for name, text in [
            ("layers", "layers"), ("dense_layers", "layers without experts"),
            ("experts", "experts of a layer"), ("shards", "files"),
            ("hidden", "width of the hidden states"), ("vocabulary", "tokens"),
            ("heads", "attention heads"), ("query_rank", "rank of the queries"),
            ("key_value_rank", "rank of keys and values"), ("dense_width", "width of a dense layer"),
            ("expert_width", "width of an expert")]:
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(Model, name),
                            help=f"{text} (default %(default)s)", metavar="N")
    parser.add_argument("--fp8", action="store_true", help="F8_E4M3 with block scales")
    parser.add_argument("--rank", type=int, default=16, metavar="R")
    parser.add_argument("--experts-too", action="store_true", help="a LoRA on every projection")


def model_of(options):
    return Model(**{name: getattr(options, name) for name in Model.__dataclass_fields__})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER")
    add_model_options(parser)
    options = parser.parse_args()
    written = write_all(options.folder, model_of(options), options.rank, options.experts_too)
    taken = sum(os.stat(os.path.join(root, name)).st_blocks * 512
                for root, _, names in os.walk(options.folder) for name in names)
    print(json.dumps({**written, "bytes_on_disk": taken}))
