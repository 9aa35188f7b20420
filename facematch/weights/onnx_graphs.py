"""dlib's networks as ONNX graphs: the embedder, whole, in part or with a new head; the detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from facematch.errors import WeightsError
from facematch.weights.dlib_format import Array, Layer, Network, float32_numbers
from facematch.weights.graph_builder import GraphBuilder, convolution_numbers
from facematch.weights.head import Head

FROZEN_BLOCKS = 10  # of the embedder; a tuned head leaves them unchanged
_FILTERS_PER_BLOCK = 16  # onnxruntime computes so many together with AVX-512, and 8 otherwise


def resnet_graph(network: Network) -> bytes:
    """The embedder as ONNX: `chips` (N, 150, 150, 3) uint8 -> `vectors` (N, 128) float32."""
    graph = GraphBuilder("chips", "N", 150)
    _apply_blocks(graph, _with_folded_affines(network))
    return graph.finish("vectors", ["N", graph.latest.channels])


def trunk_graph(network: Network, blocks: int) -> bytes:
    """The embedder's first blocks as ONNX: `chips` (N, 150, 150, 3) uint8 -> `maps` float32."""
    graph = GraphBuilder("chips", "N", 150)
    _apply_blocks(graph, _first_blocks(_with_folded_affines(network), blocks))
    return graph.finish(
        "maps", ["N", graph.latest.channels, graph.latest.side or "S", graph.latest.side or "S"]
    )


def head_layers(network: Network) -> tuple[list[Layer], Array]:
    """The eight convolutions of blocks 11 to 14, and the last layer's weights (256, 128)."""
    layers = _with_folded_affines(network)
    frozen = len(_convolutions(_first_blocks(layers, FROZEN_BLOCKS)))
    last = layers[-1].weights
    if layers[-1].kind != "fc" or last is None:
        raise WeightsError("an embedder that does not end in a fully connected layer")
    return _convolutions(layers)[frozen:], last


def tuned_graph(network: Network, head: Head) -> bytes:
    """The embedder with a tuned head as ONNX: `chips` (N, 150, 150, 3) uint8 -> `vectors` (N, K).

    Beside them come `statistics` (N, T) of the layer that both projections share.
    Raises WeightsError where the head does not fit the network.
    """
    layers = _with_folded_affines(network)
    places = [index for index, layer in enumerate(layers) if layer.kind == "con"][
        -len(head.weights) :
    ]
    for index, weights, bias in zip(places, head.weights, head.biases, strict=True):
        before = layers[index].weights
        if before is None or before.shape != weights.shape or bias.shape != weights.shape[:1]:
            raise WeightsError("a tuned convolution that does not fit its place")
        layers[index] = replace(layers[index], weights=weights, bias=bias)
    graph = GraphBuilder("chips", "N", 150)
    body = _first_blocks(layers, FROZEN_BLOCKS + 3)
    _apply_blocks(graph, body)
    middle, statistics = graph.latest, graph.statistics()
    first = graph.project(head.projections[0])
    graph.latest = middle
    _apply_blocks(graph, layers[len(body) : -1])  # all but the last layer
    second = graph.project(head.projections[1])
    graph.join(first, second)
    return graph.finish("vectors", ["N", graph.latest.channels], {"statistics": statistics})


def _apply_blocks(graph: GraphBuilder, layers: Sequence[Layer]) -> None:
    """Append layers of residual blocks.

    A block adds its input to its output. A block that halves its input pools it before adding. The
    smaller of the two is padded with zeros: in channels, and in the last row and column.
    """
    skip = graph.latest
    previous = ""
    for layer in layers:
        if layer.kind == "add_prev":
            graph.add(skip)
        elif layer.kind == "avg_pool" and layer.window[0]:  # of the block's input, not its output
            skip, graph.latest = graph.latest, skip
            graph.apply(layer)
        else:
            graph.apply(layer)
        if layer.kind == "max_pool" or previous == "add_prev":  # a block begins here
            skip = graph.latest
        previous = layer.kind


def _first_blocks(layers: list[Layer], blocks: int) -> list[Layer]:
    """The layers of the first `blocks` blocks, with the activation of the last one."""
    sums = [index for index, layer in enumerate(layers) if layer.kind == "add_prev"]
    if len(sums) < max(blocks, 1):
        raise WeightsError(f"a network of {len(sums)} residual blocks; {blocks} are needed")
    return layers[: sums[blocks - 1] + 2] if blocks else []


def _convolutions(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.kind == "con"]


def mmod_graph(network: Network) -> bytes:
    """The face detector as ONNX. Shapes: `pixels` (1, H, W, 3) uint8 -> `scores` (1, 1, h, w)."""
    layers = _with_folded_affines(network)
    for layer in layers:
        if layer.kind not in ("con", "relu"):
            raise WeightsError(f"a {layer.kind} layer where MMOD has none")
    graph = GraphBuilder("pixels", 1, None)
    for layer in [*_with_whole_blocks(layers[:-1]), *_split_by_rows(layers[-1])]:
        graph.apply(layer)
    return graph.finish("scores", [1, 1, "h", "w"])


def _with_whole_blocks(layers: list[Layer]) -> list[Layer]:
    """The layers with filters of zeros added to each convolution, up to a multiple of 16.

    onnxruntime keeps channels in blocks of 16 or 8; for other numbers its code is slower.
    """
    blocked, added = [], 0
    for layer in layers:
        if layer.kind == "con":
            weights, bias = convolution_numbers(layer)
            more = -len(bias) % _FILTERS_PER_BLOCK
            weights = np.pad(weights, ((0, more), (0, added), (0, 0), (0, 0)))
            layer = replace(
                layer,
                weights=float32_numbers(weights),
                bias=float32_numbers(np.pad(bias, (0, more))),
            )
            added = more
        blocked.append(layer)
    return blocked


def _split_by_rows(con: Layer) -> list[Layer]:
    """A convolution of one filter as two convolutions: one filter for each row, then their sum.

    onnxruntime computes filters in blocks of 16, and a single filter would waste 15 of them.
    """
    weights, bias = convolution_numbers(con)
    filters, channels, rows, columns = weights.shape
    _, _, stride_y, stride_x, pad_y, pad_x = con.window
    if filters != 1 or rows > _FILTERS_PER_BLOCK or (stride_y, stride_x) != (1, 1):
        raise WeightsError(f"a last convolution of {filters} filters; that of MMOD has one")
    across = np.zeros((_FILTERS_PER_BLOCK, channels + -channels % _FILTERS_PER_BLOCK, 1, columns))
    across[:rows, :channels, 0] = weights[0].transpose(1, 0, 2)
    down = np.zeros((1, _FILTERS_PER_BLOCK, rows, 1))
    down[0, np.arange(rows), np.arange(rows), 0] = 1
    return [
        Layer(
            "con",
            float32_numbers(across),
            np.zeros(_FILTERS_PER_BLOCK, np.float32),
            window=(1, columns, 1, 1, 0, pad_x),
        ),
        Layer(
            "con", float32_numbers(down), float32_numbers(bias), window=(rows, 1, 1, 1, pad_y, 0)
        ),
    ]


def _with_folded_affines(network: Network) -> list[Layer]:
    """The layers with all affine layers, the input's means and its scale put into convolutions."""
    layers: list[Layer] = []
    for layer in network.layers:
        if layer.kind == "affine":
            if not layers or layers[-1].kind != "con":
                raise WeightsError("an affine layer that does not follow a convolution")
            layers[-1] = _with_affine(layers[-1], layer)
        else:
            layers.append(layer)
    if not layers or layers[0].kind != "con" or any(layers[0].window[4:]):
        raise WeightsError("a network that does not begin with an unpadded convolution")
    layers[0] = _with_means(layers[0], network.means)
    return layers


def _with_affine(con: Layer, affine: Layer) -> Layer:
    weights, bias = convolution_numbers(con)
    scale, shift = affine.scale, affine.shift
    if scale is None or shift is None or scale.shape != bias.shape or shift.shape != bias.shape:
        raise WeightsError("an affine layer that does not fit its convolution")
    return replace(
        con,
        weights=float32_numbers(weights * scale[:, None, None, None]),
        bias=float32_numbers(bias * scale + shift),
    )


def _with_means(con: Layer, means: tuple[float, float, float]) -> Layer:
    # dlib feeds (pixel - mean) / 256 to its network; the graph takes the pixels themselves.
    weights, bias = convolution_numbers(con)
    if weights.shape[1] != 3:
        raise WeightsError(f"a first convolution over {weights.shape[1]} channels; pixels have 3")
    weights = weights / 256
    return replace(
        con,
        weights=float32_numbers(weights),
        bias=float32_numbers(bias - np.einsum("fcij,c->f", weights, means)),
    )
