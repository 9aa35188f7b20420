"""Draw the clip that shows both: the drawn father and his son, who move and come nearer.

python samples/make_clip.py [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import cv2
import numpy as np

from facematch.photos.reading import read_photo
from facematch.types import Pixels

HERE = Path(__file__).parent
WIDTH, HEIGHT, RATE, SECONDS = 640, 400, 10, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "both.mp4")
    out = parser.parse_args().out
    with av.open(str(out), "w") as clip:
        film = clip.add_stream("libx264", rate=RATE, options={"preset": "slow", "crf": "27"})
        film.width, film.height, film.pix_fmt, film.gop_size = WIDTH, HEIGHT, "yuv420p", RATE
        for number in range(SECONDS * RATE):
            frame = av.VideoFrame.from_ndarray(frame_at(number / (SECONDS * RATE)), "rgb24")
            clip.mux(film.encode(frame))
        clip.mux(film.encode())
    print(out)


def frame_at(share: float) -> Pixels:
    """Father and son side by side, at that share of the clip. Shape (400, 640, 3)."""
    turn = 2 * np.pi * share
    shade = np.linspace(200, 150, HEIGHT)[:, np.newaxis, np.newaxis]
    frame = np.broadcast_to(shade * np.array([0.85, 0.95, 1.0]), (HEIGHT, WIDTH, 3)).astype(
        np.uint8
    )
    for who, left, phase in (("father", 20, 0.0), ("son", 340, 1.0)):
        face = read_photo(HERE / f"{who}.png").pixels
        height = round(330 + 25 * np.sin(turn + phase))
        width = round(height * face.shape[1] / face.shape[0])
        small = cv2.resize(face, (width, height), interpolation=cv2.INTER_AREA)
        x = left + round(15 + 14 * np.sin(2 * turn + phase))
        frame[HEIGHT - height :, x : x + width] = small[:, : WIDTH - x]
    return frame


if __name__ == "__main__":
    main()
