"""Measures of speed. Never tests: a timed test on a noisy machine proves nothing."""
