"""Training of the acoustic model: corpus, augmentation, loop and export."""
