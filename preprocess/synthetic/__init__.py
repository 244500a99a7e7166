"""Drawn people in drawn garments, laid out as AI-Hub 78: sample data whose every swap has a known answer."""
