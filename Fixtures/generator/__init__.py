"""Modules of the fixture generator; run `generate.py` beside this folder."""
