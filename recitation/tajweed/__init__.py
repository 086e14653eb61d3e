"""Tajweed of Hafs from Asim: which rules a word holds, and how the student's moshaf has them read."""
