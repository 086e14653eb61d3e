"""CTC checkpoints in Hugging Face's format: the model, what it looks at, and what its outputs are called.

Three kinds are read, all by transformers' own classes: ``Wav2Vec2ForCTC``, ``Wav2Vec2BertForCTC``, and Quran Muaalem's
``Wav2Vec2BertForMultilevelCTC``, which is a ``Wav2Vec2BertModel`` with eleven heads side by side.  Of those, the head
for phonemes is loaded as the one head of a ``Wav2Vec2BertForCTC``; the ten for traits of letters are left in the file.
No code from a checkpoint is ever run.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recitation.acoustics.engine import ModelError
from recitation.acoustics.front_end import FrontEnd, MelFrontEnd, WaveFrontEnd
from recitation.audio import SAMPLE_HZ
from recitation.tracker import FRAME_SAMPLES

if TYPE_CHECKING:
    import torch

WAV2VEC2, W2V_BERT, MUAALEM = "wav2vec2", "wav2vec2-bert", "multi_level_ctc"
"""Model types as they stand in ``config.json``."""
CLASSES = {WAV2VEC2: "Wav2Vec2ForCTC", W2V_BERT: "Wav2Vec2BertForCTC", MUAALEM: "Wav2Vec2BertForMultilevelCTC"}

MUAALEM_LEVEL = "phonemes"
MUAALEM_KEYS = {rf"^level_to_lm_head\.{MUAALEM_LEVEL}\.": "lm_head."}
MUAALEM_PAD = "[PAD]"

DTYPES = ("float32", "float16", "bfloat16")
UNUSED = "masked_spec_embed"
"""Only training needs it, and not every checkpoint has it."""
COARSEST_FRAMES = 4


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint, on its device and ready to run."""

    model: "torch.nn.Module"
    extractor: Any
    """Its feature extractor, as transformers loads it."""
    front: FrontEnd
    vocabulary: tuple[str, ...]
    """Token of each output."""
    blank: int
    coarse: int
    """Frames of 20 ms to an output: 1, or 2 when an adapter halves the rate."""
    masks: bool
    """Padding can be hidden from the model.  Where it normalises over the whole input it cannot."""


def load_checkpoint(source: str, device: "torch.device", dtype: str, int8: bool = False) -> Checkpoint:
    """Load from a folder or, for the name of a model, from Hugging Face's cache or hub.

    Raises ModelError when there is none or it cannot serve as an ear, ImportError without transformers or torchao.
    """
    from safetensors import SafetensorError

    if not Path(source).is_dir() and (source.startswith((".", "~", "/")) or source.count("/") > 1):
        raise ModelError(f"there is no checkpoint at {source}")
    try:
        with _quietly():
            return _load(source, device, dtype, int8)
    except ModelError:
        raise
    # Transformers raises OSError for a file that is missing, the others for files with unexpected content.
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first_line = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"{source} cannot be loaded as a CTC checkpoint: {first_line}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' progress bars and its report of the heads that are left out."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _load(source: str, device: "torch.device", dtype: str, int8: bool) -> Checkpoint:
    import torch
    from transformers import PretrainedConfig

    settings, _ = PretrainedConfig.get_config_dict(source)
    kind = settings.get("model_type")
    if kind not in CLASSES:
        raise ModelError(f"{source} is a {kind!r} model; {', '.join(CLASSES.values())} can be used")
    if CLASSES[kind] not in (architectures := settings.get("architectures") or [CLASSES[kind]]):
        raise ModelError(f"{source} is no CTC model but {', '.join(architectures)}; {CLASSES[kind]} can be used")
    model, config = _model(source, kind, settings, getattr(torch, dtype))
    model.eval().to(device)
    if int8:
        _quantise(model)
    extractor, front = _front_end(source, kind, config)
    vocabulary = _vocabulary(source, kind, config)
    masks = kind != WAV2VEC2 or config.feat_extract_norm == "layer"
    return Checkpoint(model, extractor, front, vocabulary, config.pad_token_id, _coarse(source, config), masks)


def _model(source: str, kind: str, settings: dict[str, Any], dtype: "torch.dtype") -> "tuple[torch.nn.Module, Any]":
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertForCTC, Wav2Vec2ForCTC

    options: dict[str, Any] = {"dtype": dtype, "output_loading_info": True}
    if kind == MUAALEM:
        size = settings["level_to_vocab_size"][MUAALEM_LEVEL]
        plain = {**settings, "model_type": W2V_BERT, "vocab_size": size}
        options |= {"config": Wav2Vec2BertConfig.from_dict(plain), "key_mapping": MUAALEM_KEYS}
    loader = Wav2Vec2ForCTC if kind == WAV2VEC2 else Wav2Vec2BertForCTC
    model, found = loader.from_pretrained(source, **options)
    if missing := sorted(key for key in found["missing_keys"] if not key.endswith(UNUSED)):
        raise ModelError(f"{source} has no weights for {', '.join(missing[:3])}: was it trained for CTC?")
    return model, model.config


def _front_end(source: str, kind: str, config: Any) -> tuple[Any, FrontEnd]:
    from transformers import AutoFeatureExtractor

    extractor = AutoFeatureExtractor.from_pretrained(source)
    name = "Wav2Vec2FeatureExtractor" if kind == WAV2VEC2 else "SeamlessM4TFeatureExtractor"
    if type(extractor).__name__ != name or extractor.sampling_rate != SAMPLE_HZ:
        raise ModelError(f"{source} must come with a {name} at {SAMPLE_HZ} Hz")
    if kind != WAV2VEC2:
        return extractor, MelFrontEnd(extractor.mel_filters, extractor.window)
    if math.prod(config.conv_stride) != FRAME_SAMPLES:
        raise ModelError(f"{source} steps {math.prod(config.conv_stride)} samples a frame, not {FRAME_SAMPLES}")
    return extractor, WaveFrontEnd(receptive_field(config.conv_kernel, config.conv_stride), extractor.do_normalize)


def receptive_field(kernels: list[int], strides: list[int]) -> int:
    """Samples that one output of stacked convolutions sees."""
    return 1 + sum((kernel - 1) * math.prod(strides[:layer]) for layer, kernel in enumerate(kernels))


def _vocabulary(source: str, kind: str, config: Any) -> tuple[str, ...]:
    from transformers import AutoTokenizer, Wav2Vec2CTCTokenizer

    try:
        if kind == MUAALEM:
            tokenizer = Wav2Vec2CTCTokenizer.from_pretrained(source, pad_token=MUAALEM_PAD, target_lang=MUAALEM_LEVEL)
        else:
            tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{source} has no tokenizer, so its outputs have no names") from error
    tokens = [""] * config.vocab_size
    for token, index in tokenizer.get_vocab().items():
        if index < len(tokens):
            tokens[index] = token
    if not 0 <= config.pad_token_id < len(tokens):
        raise ModelError(f"{source} has no blank: its pad_token_id is {config.pad_token_id}")
    return tuple(tokens)


def _coarse(source: str, config: Any) -> int:
    coarse = int(config.adapter_stride**config.num_adapter_layers) if config.add_adapter else 1
    if COARSEST_FRAMES % coarse:
        raise ModelError(f"{source} has an output every {20 * coarse} ms, too few to time a letter by")
    return coarse


def _quantise(model: "torch.nn.Module") -> None:
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    quantize_(model, Int8DynamicActivationInt8WeightConfig())
