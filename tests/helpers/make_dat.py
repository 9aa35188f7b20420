"""Writes small files in dlib's formats, as its own `serialize` does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def packed(value: int) -> bytes:
    """An integer as dlib writes it."""
    size = max((abs(value).bit_length() + 7) // 8, 1)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def packed_real(value: float) -> bytes:
    """A float as dlib writes it: a mantissa and an exponent of 2."""
    mantissa, exponent = np.frexp(value)
    return packed(int(mantissa * 2**53)) + packed(int(exponent) - 53)


def integers(*values: int) -> bytes:
    return b"".join(map(packed, values))


def reals(*values: float) -> bytes:
    return b"".join(map(packed_real, values))


def string(text: str) -> bytes:
    return packed(len(text)) + text.encode()


def tensor(*shape: int, value: float = 0.25) -> bytes:
    values = np.full(shape, value, "<f4")
    return integers(2, *shape) + values.tobytes()


def column(*values: float) -> bytes:
    return integers(-len(values), -1) + reals(*values)


def convolution(filters: int, channels: int, side: int, stride: int = 1) -> bytes:
    weights = filters * channels * side * side
    return (
        string("con_4")
        + tensor(weights + filters, 1, 1, 1)
        + integers(filters, side, side, stride, stride, 0, 0)
        + integers(1, filters, channels, side, side)
        + integers(1, 1, filters, 1, 1)
        + reals(1, 1, 1, 0)
    )


def affine(channels: int) -> bytes:
    alias = integers(1, 1, channels, 1, 1)
    return string("affine_") + tensor(1, 2 * channels, 1, 1) + alias + alias + packed(0)


def small_detector() -> bytes:
    """A network of the kind of MMOD's detector: two convolutions, 2 kB."""
    options = integers(1, 80, 80) + reals(0.5, 0.5, 0.5, 0.5, 1.0, 0.5, 0.5)
    layers = (convolution(4, 3, 5, 2), affine(4), string("relu_"), convolution(1, 4, 3))
    return (
        packed(1)
        + string("loss_mmod_")
        + options
        + packed(1)
        + string("input_rgb_image_pyramid")
        + reals(122.8, 117.0, 104.3)
        + _layers(layers)
    )


def _layers(layers: Sequence[bytes]) -> bytes:
    """Each with its flags and stale tensors, the first with a factor."""
    behind = b"000" + 3 * tensor(0, 0, 0, 0)
    return layers[0] + behind + packed(1) + b"".join(layer + behind for layer in layers[1:])


def small_forest() -> bytes:
    """A shape predictor of two stages of two trees, two landmarks and three pixels."""
    split = integers(0, 2) + packed_real(0.5)
    tree = packed(1) + split + packed(2) + 2 * column(0.1, 0.2, 0.3, 0.4)
    return (
        packed(1)
        + column(0.2, 0.3, 0.7, 0.3)
        + packed(2)
        + 2 * (packed(2) + 2 * tree)
        + packed(2)
        + 2 * integers(3, 0, 1, 1)
        + packed(2)
        + 2 * (packed(3) + 3 * reals(0.1, -0.1))
    )
