"""Transformers' CLIPTextModel in plain torch."""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"quick_gelu": lambda x: x * torch.sigmoid(1.702 * x), "gelu": F.gelu}


class SelfAttention(nn.Module):
    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(channels, channels))

    def forward(self, x):
        q, k, v = (
            projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels, eps = config["hidden_size"], config["layer_norm_eps"]
        self.self_attn = SelfAttention(channels, config["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(channels, eps)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(channels, config["intermediate_size"])
        self.mlp.fc2 = nn.Linear(config["intermediate_size"], channels)
        self.layer_norm2 = nn.LayerNorm(channels, eps)
        self.activation = ACTIVATIONS[config["hidden_act"]]

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp.fc2(self.activation(self.mlp.fc1(self.layer_norm2(x))))


class CLIPTextModel(nn.Module):
    def __init__(self, config):
        super().__init__()
        channels = config["hidden_size"]
        self.text_model = nn.Module()
        self.text_model.embeddings = nn.Module()
        self.text_model.embeddings.token_embedding = nn.Embedding(config["vocab_size"], channels)
        self.text_model.embeddings.position_embedding = nn.Embedding(config["max_position_embeddings"], channels)
        self.text_model.encoder = nn.Module()
        self.text_model.encoder.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config["num_hidden_layers"]))
        self.text_model.final_layer_norm = nn.LayerNorm(channels, config["layer_norm_eps"])

    def embed(self, ids):
        return self.text_model.embeddings.token_embedding(ids)

    def encode(self, embedded):
        """The last hidden state from the tokens' embeddings, [B, 77, D]."""
        x = embedded + self.text_model.embeddings.position_embedding.weight[: embedded.shape[1]]
        for layer in self.text_model.encoder.layers:
            x = layer(x)
        return self.text_model.final_layer_norm(x)

    def forward(self, ids):
        return self.encode(self.embed(ids))
