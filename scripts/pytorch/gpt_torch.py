"""The GPT in plain PyTorch, twice: as one would write it today, and sampling as the reference's cached sampler does."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads
        # The published sampler calls them, with nothing to drop, like everything else.
        self.drop_scores, self.drop_output = nn.Dropout(0.0), nn.Dropout(0.0)

    def split(self, x):
        return x.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

    def projections(self, x, fused):
        if not fused:
            return [self.split(layer(x)) for layer in (self.query, self.key, self.value)]
        layers = (self.query, self.key, self.value)
        weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
        return [self.split(part) for part in F.linear(x, weight, bias).chunk(3, -1)]

    def forward(self, x, fused=False):
        q, k, v = self.projections(x, fused)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(x.shape))

    def with_past(self, x, past):
        """Scores, mask and softmax written out, keys and values of the past put before the new ones, which are handed
        back stacked."""
        q, k, v = self.projections(x, False)
        present = torch.stack((k, v))
        if past is not None:
            old_keys, old_values = past
            k, v = torch.cat((old_keys, k), -2), torch.cat((old_values, v), -2)
        scores = q @ k.transpose(2, 3) * (1 / math.sqrt(k.shape[-1]))
        if past is None:
            count = x.shape[1]
            scores = scores.masked_fill(torch.ones(count, count, device=x.device).tril() == 0, -math.inf)
        y = self.drop_scores(F.softmax(scores, -1)) @ v
        return self.drop_output(self.proj(y.transpose(1, 2).contiguous().view(x.shape))), present

    def fuse(self):
        layers = (self.query, self.key, self.value)
        self.together = nn.Parameter(torch.cat([layer.weight for layer in layers]).detach())
        self.together_bias = nn.Parameter(torch.cat([layer.bias for layer in layers]).detach())

    def with_cache(self, x, keys, values, n):
        """One new position, the n-th, after those whose keys and values are in memory."""
        q, k, v = (self.split(part) for part in F.linear(x, self.together, self.together_bias).chunk(3, -1))
        keys[:, :, n : n + 1], values[:, :, n : n + 1] = k, v
        y = F.scaled_dot_product_attention(q, keys[:, :, : n + 1], values[:, :, : n + 1])
        return self.proj(y.transpose(1, 2).reshape(x.shape))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(0.0)

    def forward(self, x, fused=False):
        x = x + self.attn(self.ln1(x), fused)
        return x + self.mlp(self.ln2(x))

    def with_past(self, x, past):
        attended, present = self.attn.with_past(self.ln1(x), past)
        x = x + attended
        return x + self.drop(self.mlp(self.ln2(x))), present


class GPT(nn.Module):
    """Modules are made in the order in which the TypeScript GPT draws initial weights."""

    def __init__(self, vocabulary, block, layers, heads, width):
        super().__init__()
        self.tok_emb = nn.Embedding(vocabulary, width)
        self.pos_emb = nn.Parameter(torch.zeros(1, block, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.drop = nn.Dropout(0.0)
        self.fused = False
        self.apply(initialize)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb[:, : idx.shape[1]]
        for block in self.blocks:
            x = block(x, self.fused)
        return self.head(self.ln_f(x))

    def with_past(self, idx, past, length):
        """`past` is a list with an entry for each earlier call, [layers, 2, batch, heads, tokens, width of a head], that
        each call joins anew."""
        tokens = self.tok_emb(idx)
        if past is not None:
            past = torch.cat(past, dim=-2)
            assert past.shape[4] == length
            positions = self.pos_emb[:, length, :]
        else:
            positions = self.pos_emb[:, : tokens.shape[1], :]
        x = self.drop(tokens + positions)
        presents = []
        for i, block in enumerate(self.blocks):
            x, present = block.with_past(x, None if past is None else past[i, ...])
            presents.append(present)
        return self.head(self.ln_f(x)), torch.stack(presents)

    @torch.no_grad()
    def sample(self, idx, steps, top_k=None):
        """As the reference's `sample_with_past` goes about it: the most likely token each time without top_k, else
        draws."""
        drawn, past, given, x = idx, [], idx.shape[1], idx
        for n in range(steps):
            logits, present = self.with_past(x, past or None, n + given - 1)
            past.append(present)
            logits = logits[:, -1, :] / 1.0
            if top_k is not None:
                top_k = min(top_k, logits.shape[-1])
                logits[logits < torch.topk(logits, top_k)[0][..., -1, None]] = -math.inf
            probabilities = F.softmax(logits, -1)
            x = torch.topk(probabilities, 1)[1] if top_k is None else torch.multinomial(probabilities, 1)
            drawn = torch.cat((drawn, x), 1)
        return drawn

    @torch.no_grad()
    def sample_uncached(self, idx, steps, top_k):
        """As the reference's `sample` does it: everything is computed again for each token."""
        for _ in range(steps):
            logits, _ = self.with_past(idx, None, 0)
            idx = torch.cat((idx, draw(logits[:, -1, :], top_k)), 1)
        return idx

    @torch.no_grad()
    def sample_static(self, idx, steps, top_k):
        """As one would write it today: keys and values of all positions in memory taken once, fused attention to them,
        one product for query, key and value, nothing waited for."""
        batch, device, dtype = idx.shape[0], idx.device, self.pos_emb.dtype
        heads, width = self.blocks[0].attn.heads, self.pos_emb.shape[2]
        shape = (len(self.blocks), 2, batch, heads, steps, width // heads)
        cache = torch.zeros(shape, dtype=dtype, device=device)
        drawn, token = [idx], idx
        for n in range(steps):
            x = self.tok_emb(token) + self.pos_emb[:, n : n + 1]
            for block, (keys, values) in zip(self.blocks, cache):
                x = x + block.attn.with_cache(block.ln1(x), keys, values, n)
                x = x + block.mlp(block.ln2(x))
            logits = self.head(self.ln_f(x))[:, -1].float()
            logits = logits.masked_fill(logits < logits.topk(top_k)[0][:, -1:], -math.inf)
            token = torch.multinomial(F.softmax(logits, -1), 1)
            drawn.append(token)
        return torch.cat(drawn, 1)


def draw(logits, top_k):
    """Draws a token of each row among the `top_k` most likely."""
    logits[logits < torch.topk(logits, top_k)[0][..., -1, None]] = -math.inf
    return torch.multinomial(F.softmax(logits, -1), 1)


def initialize(module):
    if isinstance(module, (nn.Linear, nn.Embedding)):
        module.weight.data.normal_(0.0, 0.02)
        if getattr(module, "bias", None) is not None:
            module.bias.data.zero_()


def decay_groups(gpt, masters, weight_decay):
    """Parameters of the optimizer: linear weights decay, the rest does not."""
    decaying = {module.weight for module in gpt.modules() if isinstance(module, nn.Linear)}
    groups = ([p for p in gpt.parameters() if p in decaying], [p for p in gpt.parameters() if p not in decaying])
    return groups, (weight_decay, 0.0)
