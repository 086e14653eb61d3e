"""Checkpoints in Hugging Face's format with random weights, small enough to make in a test."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2BertProcessor,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
)

from recitation.phones import CONSONANTS, MADD_VOWELS, SHORT_VOWELS

SCRIPT = ("[PAD]", *CONSONANTS, *MADD_VOWELS, *SHORT_VOWELS, *"۪ٲڇں۾ؙۜ")
"""Tokens of the Quran Phonetic Script."""
LETTERS = ("[PAD]", "|", *CONSONANTS, *"اىةأإآؤئ", *SHORT_VOWELS)
"""Tokens of written Arabic."""

SIZES = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "pad_token_id": 0}
DECIDED = 40
"""Weights of the head are made so many times larger: a head as it is initialised likes everything alike."""


def wav2vec2(
    folder: Path, vocabulary: Sequence[str] = SCRIPT, *, layers: int = 2, norm: str = "layer", normalise: bool = True
) -> Path:
    """``Wav2Vec2ForCTC`` with its processor, as ``save_pretrained`` leaves them."""
    torch.manual_seed(1)
    config = Wav2Vec2Config(
        **SIZES, num_hidden_layers=layers, vocab_size=len(vocabulary), conv_dim=[16] * 7, feat_extract_norm=norm,
        do_stable_layer_norm=norm == "layer", num_conv_pos_embeddings=8 if layers else 1,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    _save(Wav2Vec2ForCTC(config), folder)
    extractor = Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=norm == "layer")
    Wav2Vec2Processor(extractor, tokenizer(folder, vocabulary)).save_pretrained(folder)
    return folder


def w2v_bert(
    folder: Path, vocabulary: Sequence[str] = SCRIPT, *, layers: int = 2, adapter: bool = False, **more: Any
) -> Path:
    """``Wav2Vec2BertForCTC`` with its processor."""
    torch.manual_seed(1)
    config = Wav2Vec2BertConfig(
        **SIZES,
        num_hidden_layers=layers,
        vocab_size=len(vocabulary),
        add_adapter=adapter,
        output_hidden_size=32,
        **more,
    )
    _save(Wav2Vec2BertForCTC(config), folder)
    Wav2Vec2BertProcessor(SeamlessM4TFeatureExtractor(), tokenizer(folder, vocabulary)).save_pretrained(folder)
    return folder


def muaalem(folder: Path) -> Path:
    """The layout of Quran Muaalem's checkpoints (quran-muaalem 0.2.2): a head for each level, a nested vocabulary."""
    w2v_bert(folder)
    for leftover in ("processor_config.json", "tokenizer_config.json", "added_tokens.json"):
        (folder / leftover).unlink(missing_ok=True)
    SeamlessM4TFeatureExtractor().save_pretrained(folder)
    levels = {
        "hams_or_jahr": {"[PAD]": 0, "[همس]": 1, "[جهر]": 2},
        "phonemes": {token: index for index, token in enumerate(SCRIPT)},
    }
    (folder / "vocab.json").write_text(json.dumps(levels))
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "multi_level_ctc", "architectures": ["Wav2Vec2BertForMultilevelCTC"]}
    config["level_to_vocab_size"] = {level: len(tokens) for level, tokens in levels.items()}
    del config["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    for part in ("weight", "bias"):
        head = weights.pop(f"lm_head.{part}")
        weights[f"level_to_lm_head.phonemes.{part}"] = head
        weights[f"level_to_lm_head.hams_or_jahr.{part}"] = head[:3].clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def tokenizer(folder: Path, vocabulary: Sequence[str]) -> Wav2Vec2CTCTokenizer:
    """A tokenizer for the vocabulary; its first token is the blank."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "vocab.json"
    listed.write_text(json.dumps({token: index for index, token in enumerate(vocabulary)}))
    return Wav2Vec2CTCTokenizer(
        str(listed), pad_token=vocabulary[0], unk_token=vocabulary[0], bos_token=None, eos_token=None
    )


def _save(model: Wav2Vec2ForCTC | Wav2Vec2BertForCTC, folder: Path) -> None:
    with torch.no_grad():
        model.lm_head.weight *= DECIDED
    model.save_pretrained(folder)
