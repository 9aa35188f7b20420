"""Fits what models/ ships; needs the extra [train]. Scoring never imports it."""
