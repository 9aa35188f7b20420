"""`facematch app`: a page on your own machine, and the same answers as JSON.

Nothing here is written to disk: photos, faces and results live in memory, in a `Session`.
"""
