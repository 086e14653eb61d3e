"""Recitation spoiled on purpose: a rule of tajweed broken where it was kept, and the same recitation untouched.

``takes`` tells where in a recitation each phone and each rule lies, ``sound`` changes lengths, bands, formants and
pieces of it, ``kinds`` says what is done to which rule, and ``spoil`` makes seeded clips whose truth is known.
"""
