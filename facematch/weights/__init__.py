"""The weight files: which there are, their sha256, dlib's format, conversion to ONNX."""
