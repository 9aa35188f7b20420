"""Fits what is shipped in models/; needs the extra [train]. Scoring never imports it."""
