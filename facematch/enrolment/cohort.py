"""The cohort of all faces in some photos."""

from __future__ import annotations

import numpy as np

from facematch.engine import Engine
from facematch.enrolment.gallery import embed, faces
from facematch.scoring.cohort import Cohort
from facematch.types import PhotosLike, Portrait


def cohort_of_photos(engine: Engine, photos: PhotosLike) -> Cohort:
    """The cohort of all faces in some photos, which should be of different people.

    Raises ResemblanceError for too few faces, or where no resemblance model fits the embedder.
    Photos that cannot be used are left out.
    """
    model = engine.require_resemblance()
    found = (each for each in faces(engine, photos) if isinstance(each, Portrait) and each.faces)
    vectors = [embed(engine, [portrait]) for portrait in found]
    nothing = np.empty((0, len(model.mean)), np.float32)
    return Cohort.from_vectors(model, np.concatenate([nothing, *vectors]))
